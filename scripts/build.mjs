// `npm run build`: dist/ from the sources, when they changed. `-- --force` builds in any case.

import { build } from './lib/build.mjs'
import { install } from './lib/install.mjs'
import { runMain } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'

runMain(async () => {
  preflight()
  install()
  await build({ force: process.argv.includes('--force') })
})
