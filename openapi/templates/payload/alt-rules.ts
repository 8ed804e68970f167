/** What a save does to one locale's alt text. Pure functions, which the hooks call. */

import { createHash } from 'node:crypto'

import { type AltSource, type AltState, currentWord } from './alt-fields'

const WITHOUT_TEXT = ['pending', 'decorative', 'uncertain', 'rejected', 'failed']
const DECISIONS = ['human', 'human-edited-ai', 'decorative']
const EMPTY: Required<AltState> = {
  alt: null, altSource: null, altLocale: null, altModel: null, altReviewedAt: null,
  altReasons: null, altStamp: null,
}

export interface Save {
  /** The stored fields of this locale. */
  before: AltState
  /** The fields as they would be saved: what the caller sent, else what is stored. */
  sent: AltState
  /** Default values of the fields, which a form sends as if they were typed. */
  defaults: AltState
  /** Digest of the file that the document has after this save; empty if it is unknown. */
  picture: string
  /** Whether this save changes the picture. */
  isNewPicture: boolean
  /** Whether the file can be captioned: no SVG, no video. */
  isImage: boolean
  /** Whether a program sent `altSource` by itself: it counts even where it is the stored one. */
  isSourceSent: boolean
  locale: string
  now: Date
}

/** The fields to save. What a person wrote or decided is never removed. */
export function nextState(save: Save): AltState {
  const { defaults } = save
  const resolved = resolveStale(save)
  const before = withoutDefaults(save.before, defaults)
  const sent = withoutDefaults(resolved, defaults)
  if (before.altSource == null && sent.altSource === defaults.altSource) sent.altSource = null
  const text = blankToNull(sent.alt)
  const isOther = currentWord(sent.altSource) !== currentWord(before.altSource)
  if (isOther || (save.isSourceSent && sent.altSource != null)) return callersState(save, sent)
  if (text !== blankToNull(before.alt)) return personsState({ ...save, before }, sent)
  if (!save.isNewPicture) return { ...resolved, altSource: currentWord(resolved.altSource) }
  const next = stateForNewPicture({ ...save, before })
  return next === EMPTY && before.altSource == null ? resolved : next
}

/** The fields of any locale after its picture has changed: a machine's text is cleared. */
export function stateForNewPicture(
  { before, picture, isImage }: Pick<Save, 'before' | 'picture' | 'isImage'>,
): AltState {
  if (isPersons(before)) {
    // The text stays; without a review date a person is asked whether it still fits.
    const altSource = currentWord(before.altSource)
    const altStamp = stamp(picture, altSource, blankToNull(before.alt))
    return { ...before, altSource, altReviewedAt: null, altStamp }
  }
  if (!isImage) return EMPTY
  return { ...EMPTY, altSource: 'pending', altStamp: stamp(picture, 'pending', null) }
}

/**
 * Whether a text, or the absence of one, is a person's: written or decided by one, of unknown
 * origin, or a machine's that was changed without the hooks. A text that a person only approved is
 * a machine's.
 */
export function isPersons(state: AltState): boolean {
  const source = currentWord(state.altSource)
  const text = blankToNull(state.alt)
  if (source === null) return text !== null
  if (source === 'ai') return !matchesStamp(state)
  if (source === 'decorative' && state.altReviewedAt) return true
  // A text beside a word that means "no text" was written by somebody else.
  return WITHOUT_TEXT.includes(source) ? text !== null : true
}

/** Whether a machine may write a text here: it is blank, and nobody decided that. */
export function isFillable(state: AltState): boolean {
  const source = state.altSource ?? null
  if (blankToNull(state.alt) !== null || state.altReviewedAt) return false
  return source === null || source === 'pending' || source === 'failed'
}

export function isPending(state: AltState): boolean {
  return isFillable(state) && state.altSource === 'pending'
}

/** A text that equals the field's default value was typed by nobody. */
export function withoutDefaults(state: AltState, defaults: AltState): AltState {
  const isDefault = defaults.alt != null && state.alt === defaults.alt
  const isUnset = state.altSource == null || state.altSource === defaults.altSource
  return isDefault && isUnset ? { ...state, alt: null } : { ...state }
}

/** `altStamp`: digests of picture and text, and who wrote it, separated by colons. */
export function stamp(
  picture: string, source: AltSource | string | null | undefined, text: string | null,
): string {
  return [shorten(picture), source ?? '', text === null ? '' : shorten(digest(text))].join(':')
}

/** Whether a state belongs to the picture with this digest. */
export function isOfPicture({ altStamp }: AltState, picture: string): boolean {
  return (altStamp ?? '').split(':')[0] === shorten(picture)
}

export function digest(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

export function blankToNull(text: string | null | undefined): string | null {
  return text?.trim() ? text : null
}

function shorten(hex: string): string {
  return hex.slice(0, 24)
}

/** Where no text was stamped, what altSource says is believed. */
function matchesStamp({ alt, altStamp }: AltState): boolean {
  const stamped = (altStamp ?? '').split(':')[2]
  return !stamped || stamped === shorten(digest(alt ?? ''))
}

/**
 * A form that was opened before the last change sends older values of every field. Only what was
 * edited in it counts.
 */
function resolveStale({ before, sent }: Save): AltState {
  if (!sent.altStamp || !before.altStamp || sent.altStamp === before.altStamp) return sent
  const [, openedSource, openedText] = sent.altStamp.split(':')
  const text = blankToNull(sent.alt)
  const { alt, altSource, altReviewedAt } = sent
  if ((altSource ?? '') !== openedSource) return { ...before, alt, altSource, altReviewedAt }
  const isEdited = (text === null ? '' : shorten(digest(text))) !== openedText
  return isEdited ? { ...before, alt } : before
}

/** The caller says who wrote the text, or that there is none. */
function callersState({ before, picture, isSourceSent, now }: Save, sent: AltState): AltState {
  const text = blankToNull(sent.alt)
  const altStamp = stamp(picture, sent.altSource, text)
  const isDateSent = time(sent.altReviewedAt) !== time(before.altReviewedAt)
  let altReviewedAt = sent.altReviewedAt
  // In a form a person chooses the word; a program's text is not what was approved before.
  const isDecided = sent.altSource != null && DECISIONS.includes(sent.altSource)
  if (!isDateSent && !isSourceSent && isDecided) altReviewedAt = now.toISOString()
  else if (!isDateSent && text !== blankToNull(before.alt)) altReviewedAt = null
  return { ...sent, altReviewedAt, altStamp }
}

/** A person typed, changed or emptied the text. */
function personsState(
  { before, picture, isNewPicture, locale, now }: Save, sent: AltState,
): AltState {
  const text = blankToNull(sent.alt)
  const source = currentWord(before.altSource)
  const isEdit =
    text !== null && blankToNull(before.alt) !== null && !isNewPicture &&
    (source === 'ai' || source === 'human-edited-ai')
  const altSource: AltSource = isEdit ? 'human-edited-ai' : 'human'
  const isDateSent = sent.altReviewedAt && time(sent.altReviewedAt) !== time(before.altReviewedAt)
  return {
    alt: sent.alt ?? '',
    altSource,
    altLocale: locale,
    altModel: isEdit ? (before.altModel ?? null) : null,
    altReviewedAt: isDateSent ? sent.altReviewedAt : now.toISOString(),
    altReasons: null,
    altStamp: stamp(picture, altSource, text),
  }
}

function time(date: Date | string | null | undefined): number {
  return date ? new Date(date).getTime() : 0
}
