import type { Contract } from '../../src/pricewire.js'
import { Arrow } from '../icons.js'
import { texts } from '../texts/language.js'
import { DIRECTIONS } from '../trade/variants.js'

interface ContractNameProps {
  readonly contract: Contract
  readonly onChoose: (instrumentId: string) => void
}

/** The variant, duration and instrument of a contract, as a button that opens the instrument's chart. */
export function ContractName({ contract, onChoose }: ContractNameProps) {
  const { variant, instrument_name, instrument_id, duration, duration_unit } = contract.contract_details
  const direction = DIRECTIONS[variant]
  return (
    <button type="button" className="contract" onClick={() => onChoose(instrument_id)}>
      <span className={`badge ${direction}`}>
        <Arrow direction={direction} />
      </span>
      <span className="name">
        <b>{texts.contract.variants[variant]}</b>
        <small>
          {texts.contract.duration(duration, duration_unit)} · {instrument_name}
        </small>
      </span>
    </button>
  )
}

/** A value with the name of its column. Screen readers always read the name; only narrow screens show it. */
export function Value({ label, children }: { label: string; children: string }) {
  return (
    <span className="value">
      <span className="caption">{label}</span> {children}
    </span>
  )
}
