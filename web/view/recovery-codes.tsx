// Recovery codes as they are shown, once: to be copied, downloaded or written down.

import { useSignal } from '@preact/signals'
import { download } from './download.ts'

export const RecoveryCodes = ({ codes, name }: { codes: readonly string[]; name: string }) => {
  const isCopied = useSignal(false)
  const text = `${codes.join('\n')}\n`
  const save = (): void => download(new TextEncoder().encode(`Starling recovery codes of ${name}. Each sets a new password once.\n\n${text}`), `starling-codes-${name}.txt`)
  return (
    <>
      <ol class="codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <div class="acts">
        {/* Only secure pages have a clipboard. */}
        {navigator.clipboard !== undefined && (
          <button type="button" class="btn" onClick={() => void navigator.clipboard.writeText(text).then(() => (isCopied.value = true))}>
            Copy
          </button>
        )}
        <button type="button" class="btn" onClick={save}>
          Download
        </button>
        <span class="muted small" role="status">
          {isCopied.value ? 'Copied' : ''}
        </span>
      </div>
    </>
  )
}
