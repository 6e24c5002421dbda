import { find, tables } from '../../platform/database/statement.ts'

const query = tables('system', 'users')

const users = query
  .selectFrom('users')
  .select([
    'id',
    'email',
    'email_verified',
    'given_name',
    'full_name',
    'locale',
    'disabled_at',
    'deleted_at',
    'erased_at',
  ])

/** A user in whatever state the account is: a closed one hears of what happens to it too. */
export const findAddressee = (id: string) => find(users.where('id', '=', id))
export const findAddresseeByEmail = (email: string) => find(users.where('email', '=', email))
