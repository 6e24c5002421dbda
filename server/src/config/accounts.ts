import * as kinds from './kinds.ts'
import type { Variable } from './kinds.ts'
import { passkeyOrigins, rpId } from './passkeys.ts'
import { smtpUrl } from './urls.ts'

/** The variables of accounts and emails. */
export const accountVariables = {
  ACCOUNT_LOCKOUT_THRESHOLD: {
    begins: 'Accounts',
    kind: kinds.integer(1, 100),
    default: '5',
    about: 'The number of wrong passwords in a row that locks password sign-in.',
  },
  ACCOUNT_LOCKOUT_DURATION_MINUTES: {
    kind: kinds.integer(1, 10_080),
    default: '5',
    deployedDefault: '30',
    about: 'How long password sign-in stays locked.',
  },
  SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: {
    kind: kinds.integer(0, 1_000_000),
    default: '100',
    about:
      'The number of failed sign-ins within an hour, over all accounts, that blocks a client address for an hour; 0: no ' +
      'limit. Behind a proxy set `TRUSTED_PROXIES`; otherwise all clients have the same address.',
  },
  PASSWORD_POLICY: {
    kind: kinds.choice(['composition', 'length']),
    default: 'composition',
    about: '`composition`: 8 characters, upper, lower, digit and special; `length`: 15 characters of any kind.',
  },
  EMAIL_VERIFICATION: {
    kind: kinds.choice(['optional', 'required']),
    default: 'optional',
    deployedDefault: 'required',
    about:
      'Whether users must verify their email address before they can sign in. Outside development `required` needs ' +
      '`RESEND_API_KEY` or `SMTP_URL`.',
  },
  UNVERIFIED_ACCESS: {
    kind: kinds.choice(['full', 'own']),
    default: 'full',
    about:
      'The access of an account without a verified address while verification is optional: `full`: everything; ' +
      '`own`: only its profile and sessions, no organization.',
  },
  TRUSTED_DEVICE_DAYS: {
    kind: kinds.integer(0, 365, 86400),
    default: '30',
    about: 'How long a trusted device skips the second factor; 0: devices cannot be trusted.',
  },
  PASSKEY_RP_ID: {
    kind: rpId,
    otherwise: 'the host of `FRONTEND_URL`, else of `PUBLIC_URL`',
    about: 'The domain that passkeys belong to. If it is changed later, existing passkeys no longer work.',
  },
  PASSKEY_ORIGINS: {
    kind: passkeyOrigins,
    otherwise: 'those of `PUBLIC_URL` and `FRONTEND_URL` that are within the domain',
    about: 'The origins of the pages and apps that may use passkeys.',
  },
  ACCOUNT_DELETION_GRACE_DAYS: {
    kind: kinds.integer(0, 365),
    default: '30',
    about: 'How long a deleted account can be restored before it is erased; with 0 the next hourly job erases it.',
  },
  REUSE_DELETED_NAMES: {
    kind: kinds.boolean,
    default: 'false',
    about: 'Whether a new account may have the email address or the username of an erased one.',
  },
  SECURITY_EVENTS_DAYS: {
    kind: kinds.integer(30, 3650),
    default: '400',
    about: 'How long security events are kept: sign-ins, changes, failures.',
  },
  FIRST_SUPERUSER_EMAIL: {
    kind: kinds.email,
    about: 'The email address of the superuser that is created at the start; an existing account never becomes one.',
  },
  FIRST_SUPERUSER_PASSWORD: { kind: kinds.secret, secret: true, about: 'Its password; set both or neither.' },
  BCRYPT_COST_FACTOR: {
    kind: kinds.ignoredFlag,
    ignored: 'passwords are hashed with Argon2id',
    about: 'Accepted and ignored: passwords are hashed with Argon2id.',
  },

  RESEND_API_KEY: {
    begins: 'Mail',
    kind: kinds.secret,
    secret: true,
    otherwise: 'in development an outbox, shown at `/dev/mail`; outside it emails wait',
    about: 'The API key for sending emails through Resend.',
  },
  SMTP_URL: {
    kind: smtpUrl,
    secret: true,
    otherwise: 'as above',
    about:
      'The mail server for sending emails; not together with Resend. `smtp` uses STARTTLS, which is required unless the ' +
      'server is this machine; `smtps` uses TLS from the start. The certificate must be valid.',
  },
  FROM_EMAIL: {
    kind: kinds.sender,
    otherwise: 'an example address in development',
    about: 'The sender of all emails; required with `RESEND_API_KEY` or `SMTP_URL`.',
  },
  MAIL_TEMPLATES: {
    kind: kinds.path,
    about: 'A directory with files that replace the built-in templates of emails; see docs/guides/mail.md.',
  },
  DEFAULT_LOCALE: {
    kind: kinds.choice(['en', 'de']),
    default: 'en',
    about: 'The language of emails to users who have not chosen one.',
  },
  ACCOUNT_PAGES_URL: {
    kind: kinds.page,
    otherwise: '`PUBLIC_URL/account`, the pages of the service itself',
    about: 'The URL that the links in emails lead to, if you have your own pages.',
  },
} as const satisfies Record<string, Variable>
