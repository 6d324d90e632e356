// Style sheets are bundled by esbuild; to TypeScript they are files without exports.
declare module '*.css'
