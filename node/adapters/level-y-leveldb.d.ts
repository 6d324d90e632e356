// y-leveldb's package.json names its types outside `exports`, where TypeScript does not look. Only what level-records.ts takes.
declare module 'y-leveldb' {
  export const keyEncoding: {
    encode(parts: (string | number)[]): Buffer
    decode(key: Uint8Array): (string | number)[]
  }
}
