import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHash } from './password-hashes.ts'
import type { PasswordHash } from './password-hashes.ts'
import { createPasswords } from './passwords.ts'

// Hashes from other software: libxcrypt's crypt(3), pyca/bcrypt 5.0, argon2-cffi 25.1 (the reference library), passlib
// 1.7 and Django 5.2.
const PASSWORD = 'Correct-horse-7'
const made: Record<string, string> = {
  'crypt(3) $2a$': '$2a$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy',
  'crypt(3) $2b$': '$2b$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy',
  'crypt(3) $2y$': '$2y$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy',
  'bcrypt with a salt whose last bits are not zero': '$2b$04$abcdefghijklmnopqrstuvlGVWXz5ntA6ll07RaYv1qGs5fBjEmBy',
  'pyca $2a$': '$2a$04$9J82gYCpMHe4c7N6G9Rn5erSJUMCzByIZZJl9xlgAmEtv/6P9f3Na',
  'pyca $2b$': '$2b$04$F9GSHD.cLPZdtrxJNBcZ4uUFAK2ImhIjEFZwg67FHQNr8jrCAUBrG',
  'Django bcrypt': 'bcrypt$$2b$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy',
  'Argon2id 1.0': '$argon2id$v=16$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$YN9njvMx24a6qk3vqW09EqErLpxsR0YBiDCUfaoMOGI',
  'Argon2id 1.3': '$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$l39BCnHgKzmwKCCb9IqIqs/81o+QblnDuGf82IeO9os',
  'Argon2i 1.0': '$argon2i$v=16$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$5YCRIYn1PQi2Xnh0YaVGxk/R/p+/4nYewI8ER13WJP4',
  'Argon2i 1.0, unsaid': '$argon2i$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$5YCRIYn1PQi2Xnh0YaVGxk/R/p+/4nYewI8ER13WJP4',
  'Argon2i 1.3': '$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$iQfL+LE5G9K/zunahy0NYUycus45vNddtfDlf9RwGJk',
  'Argon2d 1.0': '$argon2d$v=16$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$0cZ/3Lczxn13QuzgzJ8kzAEdjZKEgSVH9hzVQG2Wjd0',
  'Argon2d 1.3': '$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$RFKCDEy3GD90ns8RPe9IN0vX+J/LTWHSKL5Of7EDtwI',
  'Django Argon2': 'argon2$argon2id$v=19$m=102400,t=2,p=8$YWJjZGVmZ2hpajEy$Nt9F6N/bVAVPZSGIj5D/I235sgNVuGALhl7Ohw36Euo',
  'passlib scrypt': '$scrypt$ln=10,r=8,p=1$VyolZIzx3lsr5ZzTWksJYQ$PsCoe8cP0EMY4QPVbxdO8T0/uTaySMNibcM0LM2jgtc',
  'passlib PBKDF2-SHA-256': '$pbkdf2-sha256$1000$xbiXEsJ4jzFGyPk/Z8y5Fw$1vK1He6yOkCsVk/LHuocZKSROXk1KkYiOnko.L1.J4g',
  'PHC PBKDF2-SHA-256': '$pbkdf2-sha256$i=1000,l=32$xbiXEsJ4jzFGyPk/Z8y5Fw$1vK1He6yOkCsVk/LHuocZKSROXk1KkYiOnko+L1+J4g',
  'passlib PBKDF2-SHA-512':
    '$pbkdf2-sha512$1000$2vufU6o1BiBEqBUi5JwTQg$yro5Sy9mCKVx0KSuWfQ4kc7rzwlI59lbCB4moI0.TL6qOVSB28R3vPNQTPn0R/LsrfS.DkhxOdCrEgA.rk1RIQ',
  'Django PBKDF2': 'pbkdf2_sha256$1000$abcdefghij12$PPsIC24wW6lW2odV13RO3t/YHCzc9rdbkhXTKRKYu8o=',
}

const passwords = await createPasswords()

// Red when: the salt of a Django hash is decoded, `.` is not read as `+`, or every version is read as 1.3.
test('hashes that other systems made are verified, and only by their password', async () => {
  for (const [name, stored] of Object.entries(made)) {
    assert.equal(await passwords.verify(stored, PASSWORD), true, name)
    assert.equal(await passwords.verify(stored, `${PASSWORD} `), false, name)
  }
})

// Red when: a password reaches bcrypt or PBKDF2 in Latin-1.
test('a password beyond ASCII is hashed as UTF-8', async () => {
  const others = [
    '$2y$04$abcdefghijklmnopqrstuu8HawIqBBEc9KxtS9i.xBEUYxyohWtvi',
    'pbkdf2_sha256$1000$abcdefghij12$eZkhJWR0k68Kejlk1MYwVhepguBNL6y3l+BByBe1anQ=',
  ]
  for (const stored of others) assert.equal(await passwords.verify(stored, 'pässwörd-Ж'), true, stored)
})

// Red when: the setting uses the letter of the stored hash.
test('bcrypt uses exactly 72 bytes of a password, in every version', async () => {
  const stored = ['2a', '2b', '2y'].map(
    version => `$${version}$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i`,
  )
  for (const hash of stored) {
    for (const length of [72, 73, 128, 255, 256, 300])
      assert.equal(await passwords.verify(hash, 'x'.repeat(length)), true, `${hash} ${length}`)
    assert.equal(await passwords.verify(hash, 'x'.repeat(71)), false)
    assert.equal(await passwords.verify(hash, ''), false)
  }
  // 280 bytes
  assert.equal(
    await passwords.verify('$2a$04$abcdefghijklmnopqrstuu70s4Ona5Y55S3nz51QiBdZXXorz9Aey', 'ж'.repeat(140)),
    true,
  )
})

const salt = 'c29tZXNhbHRzb21lc2FsdA'
const digest = 'YN9njvMx24a6qk3vqW09EqErLpxsR0YBiDCUfaoMOGI'

// Red when: a bound is a hundred times wider, or verify() computes a hash that it cannot parse.
test('a too expensive hash is refused with the reason and never computed', async () => {
  const bombs: Record<string, RegExp> = {
    [`$2b$31$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy`]: /bcrypt cost 31: 4 to 15/,
    [`$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${digest}`]: /m=4194304,t=1; m up to 262144/,
    [`$argon2id$v=19$m=65536,t=4000000000,p=1$${salt}$${digest}`]: /costs too much/,
    [`$scrypt$ln=30,r=8,p=1$${salt}$${digest}`]: /costs too much: scrypt with ln=30/,
    [`$scrypt$ln=14,r=8,p=1000000$${salt}$${digest}`]: /costs too much/,
    [`$scrypt$ln=1,r=1,p=2097152$${salt}$${digest}`]: /r and p up to 64/,
    [`$scrypt$ln=999,r=8,p=1$${salt}$${digest}`]: /costs too much/,
    [`$pbkdf2-sha256$i=1000000000$${salt}$${digest}`]: /PBKDF2 with i=1000000000/,
    [`$pbkdf2-sha256$i=2000000$${salt}$${digest}${digest}`]: /costs too much/,
    [`pbkdf2_sha256$9999999999$abcdefghij12$${digest}=`]: /costs too much/,
  }
  for (const [stored, fault] of Object.entries(bombs)) {
    assert.match(faultOf(stored), fault)
    const started = performance.now()
    assert.equal(await passwords.verify(stored, PASSWORD), false)
    assert.ok(performance.now() - started < 10_000, stored)
  }
})

// Red when: the pattern of a form loses its end, or faultOf() is omitted.
test('a malformed or unknown hash is refused with the reason', async () => {
  const faulty: Record<string, RegExp> = {
    '': /known kind/,
    [PASSWORD]: /known kind/,
    [`${made['crypt(3) $2b$']}x`]: /known kind/,
    [made['crypt(3) $2b$']!.slice(0, -1)]: /known kind/,
    $2x$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy: /known kind/,
    $2b$03$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy: /bcrypt cost 3:/,
    '5f4dcc3b5aa765d61d8327deb882cf99': /known kind/,
    '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/': /known kind/,
    [`$pbkdf2$1000$${salt}$kdzMSXbB3cHdVc2XbGtkHBLZ6BE`]: /known kind/,
    [`$argon2id$v=19$m=1024,t=2,p=2,keyid=AAAA$${salt}$${digest}`]: /known kind/,
    [`$argon2id$v=19$m=4,t=2,p=1$${salt}$${digest}`]: /impossible Argon2/,
    [`$argon2id$v=19$m=1024,t=0,p=1$${salt}$${digest}`]: /impossible Argon2/,
    [`$scrypt$ln=0,r=8,p=1$${salt}$${digest}`]: /impossible scrypt/,
    [`$pbkdf2-sha256$0$${salt}$${digest}`]: /impossible PBKDF2/,
    // One byte matches once in 256 times.
    [`$pbkdf2-sha256$1000$${salt}$YN`]: /digest of 1 bytes/,
    [`$scrypt$ln=10,r=8,p=1$${salt}$YN9n`]: /digest of 3 bytes/,
    [`$argon2id$v=19$m=1024,t=2,p=2$${salt}$YN9n`]: /digest of 3 bytes/,
    [`$argon2id$v=19$m=1024,t=2,p=2$YN9n$${digest}`]: /salt of 3 bytes/,
  }
  for (const [stored, fault] of Object.entries(faulty)) {
    assert.match(faultOf(stored), fault)
    assert.equal(await passwords.verify(stored, PASSWORD), false, stored)
  }
})

// Red when: the library fails with the largest accepted parameters.
test('the largest hashes of the kinds that need memory can be computed', async () => {
  const heaviest = [
    `$argon2id$v=19$m=262144,t=4,p=255$${salt}$${digest}`,
    `$scrypt$ln=18,r=8,p=2$${salt}$${digest}`,
    `$scrypt$ln=1,r=64,p=64$${salt}$${digest}`,
  ]
  for (const stored of heaviest) {
    const hash = readHash(stored) as PasswordHash
    assert.equal((await hash.derive(PASSWORD)).length, hash.digest.length, stored)
  }
})

function faultOf(stored: string): string {
  const hash = readHash(stored)
  return 'fault' in hash ? hash.fault : 'none'
}
