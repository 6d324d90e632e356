// A WebSocket that dials several nodes, staggered, and becomes the first one to open. To y-websocket it looks like
// any other WebSocket (its `WebSocketPolyfill`); it knows nothing of rooms, tokens or what the frames mean.

import { DIAL_GIVE_UP_MS, STAGGER_MS } from './fail-over.ts'

/** What a racing socket tells its owner, beside the events that y-websocket listens to. */
export interface RaceObserver {
  /** The addresses to dial now, best first; read when the race starts. */
  addresses(): readonly string[]
  onOpened(address: string): void
  /** No address opened. Told before `onclose`. */
  onLost(): void
  onSent(frame: Uint8Array): void
  onReceived(frame: Uint8Array): void
}

const CLOSED_ABNORMALLY = 1006
const LET_GO_MS = 4000

/** A class of sockets that race for `observer`; pass it to a provider as its WebSocketPolyfill. */
export const createRacingSocketClass = (observer: RaceObserver): typeof WebSocket => {
  class RacingSocket {
    static readonly CONNECTING = 0
    static readonly OPEN = 1
    static readonly CLOSING = 2
    static readonly CLOSED = 3
    readonly CONNECTING = 0
    readonly OPEN = 1
    readonly CLOSING = 2
    readonly CLOSED = 3
    binaryType = 'arraybuffer'
    readyState = 0
    onopen: ((event: Event) => void) | null = null
    onmessage: ((event: MessageEvent) => void) | null = null
    onerror: ((event: Event) => void) | null = null
    onclose: ((event: CloseEvent) => void) | null = null

    readonly #protocols: string[]
    #waiting: string[]
    readonly #dials = new Map<WebSocket, ReturnType<typeof setTimeout>>()
    #winner: WebSocket | null = null
    #stagger: ReturnType<typeof setTimeout> | null = null

    constructor(_url: string, protocols: string[]) {
      this.#protocols = protocols
      this.#waiting = [...observer.addresses()]
      // The owner attaches its handlers after the constructor has returned; nothing may be told before that.
      queueMicrotask(() => this.#dialNext())
    }

    send(frame: Uint8Array<ArrayBuffer>): void {
      // A closing socket takes nothing more; what is lost with it goes again through the next one.
      if (this.#winner?.readyState !== WebSocket.OPEN) return
      observer.onSent(frame)
      this.#winner.send(frame)
    }

    close(): void {
      if (this.readyState >= this.CLOSING) return
      this.readyState = this.CLOSED
      this.#waiting = []
      this.#stopStagger()
      for (const [dial, timer] of this.#dials) giveUp(dial, timer)
      this.#dials.clear()
      if (this.#winner !== null) silence(this.#winner).close()
    }

    #dialNext(): void {
      this.#stopStagger()
      if (this.readyState !== this.CONNECTING) return
      const address = this.#waiting.shift()
      if (address !== undefined) this.#dial(address)
      else if (this.#dials.size === 0) this.#lose()
      if (this.#waiting.length > 0) this.#stagger = setTimeout(() => this.#dialNext(), STAGGER_MS)
    }

    #dial(address: string): void {
      const dial = new WebSocket(address, this.#protocols)
      dial.binaryType = 'arraybuffer'
      const fail = (): void => {
        const timer = this.#dials.get(dial)
        if (timer === undefined) return
        this.#dials.delete(dial)
        giveUp(dial, timer)
        this.#dialNext()
      }
      this.#dials.set(dial, setTimeout(fail, DIAL_GIVE_UP_MS))
      dial.onopen = (event) => this.#win(dial, address, event)
      dial.onerror = fail
      dial.onclose = fail
    }

    #win(dial: WebSocket, address: string, event: Event): void {
      this.#stopStagger()
      for (const [other, timer] of this.#dials) {
        if (other === dial) clearTimeout(timer)
        else giveUp(other, timer)
      }
      this.#dials.clear()
      this.#winner = dial
      this.readyState = this.OPEN
      dial.onmessage = (message) => {
        observer.onReceived(new Uint8Array(message.data))
        this.onmessage?.(message)
      }
      dial.onerror = (error) => this.onerror?.(error)
      dial.onclose = (closed) => {
        this.readyState = this.CLOSED
        this.onclose?.(closed)
      }
      observer.onOpened(address)
      this.onopen?.(event)
    }

    #lose(): void {
      this.readyState = this.CLOSED
      observer.onLost()
      this.onclose?.(new CloseEvent('close', { code: CLOSED_ABNORMALLY, reason: 'no node answered' }))
    }

    #stopStagger(): void {
      if (this.#stagger !== null) clearTimeout(this.#stagger)
      this.#stagger = null
    }
  }
  // y-websocket uses no more of a WebSocket than is here.
  return RacingSocket as unknown as typeof WebSocket
}

const silence = (socket: WebSocket): WebSocket => {
  socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
  return socket
}

/**
 * Lets go of a dial. Browsers warn on the console when a socket is closed that is still connecting, so it may open
 * first; one that does not for long is closed all the same, or the dials at a frozen node would pile up.
 */
const giveUp = (dial: WebSocket, timer: ReturnType<typeof setTimeout>): void => {
  clearTimeout(timer)
  silence(dial)
  if (dial.readyState !== WebSocket.CONNECTING) return dial.close()
  const last = setTimeout(() => dial.close(), LET_GO_MS)
  dial.onopen = () => dial.close()
  dial.onclose = () => clearTimeout(last)
}
