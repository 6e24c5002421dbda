/** The server has refused this email for good, because of its recipient or its content: another attempt is useless. */
export class MailRefused extends Error {
  override name = 'MailRefused'
}
