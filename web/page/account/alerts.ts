import type { Contract } from '../../src/pricewire.js'
import { formatProfit } from '../format.js'
import { texts } from '../texts/language.js'
import { outcomeOf } from './outcome.js'

/** The notes of a result, in hertz: up for a profit, down for a loss. */
const NOTES = { up: [660, 880], down: [440, 330] } as const

let audio: AudioContext | undefined

/** Plays two short notes for a contract that has closed. */
export function playResult({ contract_details }: Contract): void {
  audio ??= new AudioContext()
  const notes = NOTES[Number(contract_details.profit_loss) > 0 ? 'up' : 'down']
  for (const [place, frequency] of notes.entries()) {
    const at = audio.currentTime + 0.12 * place
    const tone = new OscillatorNode(audio, { frequency, type: 'sine' })
    const volume = new GainNode(audio, { gain: 0 })
    // It rises and falls: a tone that is cut off clicks.
    volume.gain.setTargetAtTime(0.12, at, 0.01)
    volume.gain.setTargetAtTime(0, at + 0.09, 0.03)
    tone.connect(volume).connect(audio.destination)
    tone.start(at)
    tone.stop(at + 0.3)
  }
}

/** Shows the browser's notification of a contract that has closed, if the user does not see the page. */
export function notifyResult(contract: Contract): void {
  if (document.visibilityState === 'visible' || Notification.permission !== 'granted') return
  const { variant, instrument_name, profit_loss, bid_price_currency } = contract.contract_details
  new Notification(
    `${texts.contract.outcomes[outcomeOf(contract)]} ${formatProfit(profit_loss)} ${bid_price_currency}`,
    {
      body: `${texts.contract.variants[variant]} · ${instrument_name}`,
      tag: contract.contract_id,
    },
  )
}
