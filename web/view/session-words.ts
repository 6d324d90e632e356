// What the sign-in page says of what is wrong. Apart from words.ts, since a page that is signed in needs none of it.

import type { SessionError } from '../model/session.ts'

export const sessionErrorText = (error: SessionError): string => {
  switch (error.code) {
    case 'empty-name':
      return 'Enter a name.'
    case 'invalid-name':
      return 'Use 1 to 32 letters, digits, dots, dashes or underscores.'
    case 'empty-password':
      return 'Enter a password.'
    case 'weak-password':
      return 'Use 8 characters or more.'
    case 'wrong-password':
      return 'That password is not right. Try again.'
    case 'empty-code':
      return 'Enter a recovery code.'
    case 'wrong-code':
      return 'That code is not right, or was used. Try another one.'
    case 'name-taken':
      return 'Someone has just taken this name. Choose another one.'
    case 'closed':
      return 'New accounts are made by whoever runs this server. Ask them for one.'
    case 'already-signed-in':
      return 'This account is signed in on another device.'
    case 'locked':
      return `Too many tries. Try again in ${error.seconds} s.`
    case 'no-server':
      return 'No server answers at the moment. Try again in a moment.'
  }
}
