// Handing bytes to the browser as a file to keep.

export const download = (bytes: Uint8Array, name: string): void => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes.slice()]))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}
