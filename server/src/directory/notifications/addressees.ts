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

/** A user in any state: disabled and deleted accounts get notices, too. */
export const findAddressee = (id: string) => find(users.where('id', '=', id))
export const findAddresseeByEmail = (email: string) => find(users.where('email', '=', email))
