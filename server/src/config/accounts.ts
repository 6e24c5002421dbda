import * as kinds from './kinds.ts'
import type { Variable } from './kinds.ts'
import { passkeyOrigins, rpId } from './passkeys.ts'
import { smtpUrl } from './urls.ts'

/** The variables of accounts and mail. */
export const accountVariables = {
  ACCOUNT_LOCKOUT_THRESHOLD: {
    begins: 'Accounts',
    kind: kinds.integer(1, 100),
    default: '5',
    about: 'Failed passwords in a row that lock password sign-in.',
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
      'Failed sign-ins over all accounts within an hour that block a client address for an hour; 0 is off. Behind a ' +
      'proxy set `TRUSTED_PROXIES`, or everybody has the same address.',
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
      'Whether an account waits for its e-mail address to be confirmed. Outside development `required` needs ' +
      '`RESEND_API_KEY` or `SMTP_URL`.',
  },
  UNVERIFIED_ACCESS: {
    kind: kinds.choice(['full', 'own']),
    default: 'full',
    about:
      'What an account with an unconfirmed address reaches while confirmation is optional: `full` everything, ' +
      '`own` its profile and sessions, and no organization.',
  },
  TRUSTED_DEVICE_DAYS: {
    kind: kinds.integer(0, 365, 86400),
    default: '30',
    about: 'How long a device that a person trusts skips the second factor; 0: none does.',
  },
  PASSKEY_RP_ID: {
    kind: rpId,
    otherwise: 'the host of `FRONTEND_URL`, else of `PUBLIC_URL`',
    about: 'The domain that passkeys belong to. Changing it later leaves every passkey behind.',
  },
  PASSKEY_ORIGINS: {
    kind: passkeyOrigins,
    otherwise: 'those of `PUBLIC_URL` and `FRONTEND_URL` that lie within the domain',
    about: 'Where pages and apps may ask for a passkey.',
  },
  ACCOUNT_DELETION_GRACE_DAYS: {
    kind: kinds.integer(0, 365),
    default: '30',
    about: 'How long a deleted account can be restored before it is erased; with 0 the next sweep erases it.',
  },
  REUSE_DELETED_NAMES: {
    kind: kinds.boolean,
    default: 'false',
    about: 'Whether the e-mail address and the username of an erased account may be used for another.',
  },
  SECURITY_EVENTS_DAYS: {
    kind: kinds.integer(30, 3650),
    default: '400',
    about: 'How long it is kept what happened to accounts: sign-ins, changes, failures.',
  },
  FIRST_SUPERUSER_EMAIL: {
    kind: kinds.email,
    about: 'The superuser that is made at start; an account that exists is never promoted.',
  },
  FIRST_SUPERUSER_PASSWORD: { kind: kinds.secret(), secret: true, about: 'Its password; both are given or neither.' },
  BCRYPT_COST_FACTOR: {
    kind: kinds.ignoredFlag,
    ignored: 'passwords are hashed with Argon2id',
    about: 'Accepted and ignored: passwords are hashed with Argon2id.',
  },

  RESEND_API_KEY: {
    begins: 'Mail',
    kind: kinds.secret(),
    secret: true,
    otherwise: 'in development an outbox, read at `/dev/mail`; outside it mails wait',
    about: 'Mail by Resend.',
  },
  SMTP_URL: {
    kind: smtpUrl,
    secret: true,
    otherwise: 'as above',
    about:
      'Mail by a server of your own; not together with Resend. `smtp` turns to TLS by STARTTLS, and a server elsewhere ' +
      'that cannot is refused; `smtps` speaks TLS from the first byte. Its certificate must be valid.',
  },
  FROM_EMAIL: {
    kind: kinds.sender,
    otherwise: 'a name of no consequence in development',
    about: 'The sender of every mail; needed by either.',
  },
  MAIL_TEMPLATES: {
    kind: kinds.path,
    about: 'A directory whose files replace the texts of mails, one by one; docs/guides/mail.md says how.',
  },
  DEFAULT_LOCALE: {
    kind: kinds.choice(['en', 'de']),
    default: 'en',
    about: 'The language of mails to people who have not chosen one.',
  },
  ACCOUNT_PAGES_URL: {
    kind: kinds.page,
    otherwise: '`PUBLIC_URL/account`, the pages of the service itself',
    about: 'Where the links in mails lead; for pages of your own.',
  },
} as const satisfies Record<string, Variable>
