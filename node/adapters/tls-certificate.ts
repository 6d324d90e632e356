// The certificate a node shows: given by path, or for `--tls auto` made once and kept beside the data.
// Refuses to decide whom it convinces: peers prove themselves by the secret, a browser asks its user.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface TlsCertificate {
  readonly cert: string
  readonly key: string
}

const DAY_MS = 86_400_000
const LIFE_DAYS = 825
const RENEW_DAYS = 30

export const readCertificate = (certPath: string, keyPath: string): TlsCertificate => ({ cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') })

/** The self-made certificate for `url` in `directory`; made when there is none, or the one there names another host or ends soon. */
export const ensureCertificate = async (directory: string, url: string): Promise<TlsCertificate> => {
  const certPath = join(directory, 'tls-cert.pem')
  const keyPath = join(directory, 'tls-key.pem')
  const { hostname } = new URL(url)
  if (existsSync(certPath) && existsSync(keyPath)) {
    const kept = readCertificate(certPath, keyPath)
    if (isUsable(kept, hostname)) return kept
  }
  const names = [...new Set([hostname, 'localhost'])].map(name => (isAddress(name) ? ({ type: 7, ip: bare(name) } as const) : ({ type: 2, value: name } as const)))
  const made = await generate([{ name: 'commonName', value: hostname }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + LIFE_DAYS * DAY_MS),
    extensions: [{ name: 'subjectAltName', altNames: names }]
  })
  mkdirSync(directory, { recursive: true })
  writeFileSync(keyPath, made.private, { mode: 0o600 })
  chmodSync(keyPath, 0o600) // also if the file was there with other rights
  writeFileSync(certPath, made.cert)
  return { cert: made.cert, key: made.private }
}

const isAddress = (host: string): boolean => /^[\d.]+$|^\[/.test(host)
const bare = (host: string): string => host.replace(/^\[|\]$/g, '')

const isUsable = ({ cert }: TlsCertificate, hostname: string): boolean => {
  const certificate = new X509Certificate(cert)
  const endsMs = new Date(certificate.validTo).getTime()
  const fits = isAddress(hostname) ? certificate.checkIP(bare(hostname)) : certificate.checkHost(hostname)
  return fits !== undefined && endsMs - Date.now() > RENEW_DAYS * DAY_MS
}
