/*
 * What recognises a secret: one table of functions, each asked at a byte where
 * its kind of secret may begin.
 */
#ifndef MF_SCAN_SECRETS_H
#define MF_SCAN_SECRETS_H

#include "memforensics/scan.h"

/** Bytes that are looked at, and where. */
struct mf_secret_text {
	const uint8_t *bytes;
	size_t size, at;
	bool cut; /* it goes on behind size */
};

/** Sets *ret when a secret begins (or is announced) at TEXT->at. */
typedef bool (*mf_secret_finder)(const struct mf_secret_text *text,
				 struct mf_secret *ret);

bool mf_secret_pem(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_der(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_base64(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_token(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_jwt(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_value(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_url(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_email(const struct mf_secret_text *text, struct mf_secret *ret);
bool mf_secret_card(const struct mf_secret_text *text, struct mf_secret *ret);

static inline bool mf_is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static inline bool mf_is_letter(uint8_t byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static inline bool mf_is_word(uint8_t byte)
{
	return mf_is_digit(byte) || mf_is_letter(byte);
}

/** The byte before AT is no letter and no digit. */
static inline bool mf_secret_starts(const struct mf_secret_text *text)
{
	return !text->at || !mf_is_word(text->bytes[text->at - 1]);
}

#endif
