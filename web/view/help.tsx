// Help: what the page does, and its keys.

import { SHORTCUTS } from './keys.ts'

export const Help = () => (
  <main class="page" id="content" tabIndex={-1}>
    <h1>Help</h1>
    <section class="block">
      <h2>How it works</h2>
      <p>
        Mail for you waits in the Inbox while you are away; Open moves the oldest into Messages. Mail that arrives while you are here goes
        straight to Messages. Tick Read when you have dealt with a message: its sender sees the mark.
      </p>
      <p>
        Everything you write is kept on this device first and on every node a moment later. The marks beside a message show which nodes hold
        it. When your node dies, the page moves to another one by itself; without any node you can go on writing, and it goes out later.
      </p>
    </section>
    <section class="block">
      <h2>Keys</h2>
      <dl class="keys">
        {SHORTCUTS.map(({ keys, action }) => (
          <div key={action}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
      </dl>
      <p class="help">Single keys rest while you are in a field, and can be switched off in Settings.</p>
    </section>
    <p>
      <a href="/">Back to your mail</a>
    </p>
  </main>
)
