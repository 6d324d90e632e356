// Small controls that several screens use. Each has a name for readers, and says what happened by its callback only.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from './icons.tsx'

export interface Option {
  readonly value: string
  readonly label: string
}

export interface SelectProps {
  readonly label: string
  readonly value: string
  readonly options: readonly Option[]
  readonly onChoose: (value: string) => void
  readonly onOpen?: () => void
  readonly className?: string
  readonly describedBy?: string | undefined
}

export const Select = ({ label, value, options, onChoose, onOpen, className = '', describedBy }: SelectProps) => (
  <span class={`select ${className}`}>
    <select
      value={value}
      aria-label={label}
      aria-describedby={describedBy}
      onFocus={onOpen}
      onChange={(event) => onChoose(event.currentTarget.value)}
    >
      {options.map((option) => (
        <option key={option.value} value={option.value} selected={option.value === value}>
          {option.label}
        </option>
      ))}
    </select>
    <Icon name="chevron" />
  </span>
)

export interface CheckProps {
  readonly isChecked: boolean
  readonly isMixed?: boolean
  readonly className?: string
  readonly tabIndex?: number
  readonly onToggle: (isChecked: boolean) => void
  readonly children: ComponentChildren
}

export const Check = ({ isChecked, isMixed = false, className = '', tabIndex, onToggle, children }: CheckProps) => {
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (box.current !== null) box.current.indeterminate = isMixed
  }, [isMixed])
  return (
    <label class={`check ${className}`}>
      <input
        ref={box}
        type="checkbox"
        checked={isChecked}
        tabIndex={tabIndex}
        onChange={(event) => onToggle(event.currentTarget.checked)}
      />
      {children}
    </label>
  )
}

export interface PasswordProps {
  readonly id: string
  readonly label: string
  readonly autoComplete: 'current-password' | 'new-password'
  readonly describedBy?: string | undefined
  readonly isInvalid?: boolean
}

/** A password field that can be shown; its value is read from the form that holds it, as `password`. */
export const PasswordField = ({ id, label, autoComplete, describedBy, isInvalid = false }: PasswordProps) => {
  const [isShown, setShown] = useState(false)
  return (
    <>
      <label class="label" for={id}>
        {label}
      </label>
      <div class="pw">
        <input
          class="field"
          id={id}
          name={autoComplete === 'new-password' ? 'new-password' : 'password'}
          {...(isShown ? { type: 'text' as const } : { type: 'password' as const })}
          autoComplete={autoComplete}
          maxLength={256}
          {...(describedBy === undefined ? {} : { 'aria-describedby': describedBy })}
          aria-invalid={isInvalid}
        />
        <button
          type="button"
          class="btn ghost"
          aria-label={isShown ? 'Hide password' : 'Show password'}
          aria-pressed={isShown}
          onClick={() => setShown(!isShown)}
        >
          {isShown ? 'Hide' : 'Show'}
        </button>
      </div>
    </>
  )
}

/** An error in its place, told at once. */
export const ErrorLine = ({ id, children }: { id?: string; children: ComponentChildren }) => (
  <p class="err" id={id} role="alert">
    <Icon name="alert" />
    {children}
  </p>
)

/** The text of a form's field. */
export const fieldOf = (form: HTMLFormElement, name: string): string => {
  const value = new FormData(form).get(name)
  return typeof value === 'string' ? value : ''
}
