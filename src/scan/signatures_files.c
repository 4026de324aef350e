/*
 * Files that name themselves: ELF objects, JPEG and PNG pictures, PDF.
 */
#include <elf.h>
#include <stdio.h>

#include "scan/signatures.h"

/* ---- ELF ----------------------------------------------------------------------- */

/* As far as its section headers, which stand last in what linkers write. */
static uint64_t elf_length(const uint8_t *bytes, bool wide)
{
	if (wide) {
		Elf64_Ehdr header = mf_load(Elf64_Ehdr, bytes);

		return header.e_shoff > INT64_MAX
			       ? 0
			       : header.e_shoff + (uint64_t)header.e_shnum *
							  header.e_shentsize;
	}
	Elf32_Ehdr header = mf_load(Elf32_Ehdr, bytes);

	return (uint64_t)header.e_shoff +
	       (uint64_t)header.e_shnum * header.e_shentsize;
}

static const char *elf_type(unsigned type)
{
	static const char *const types[] = { "", "relocatable", "executable",
					     "shared object", "core" };

	return type < MF_ARRAY_SIZE(types) ? types[type] : "";
}

MF_SIGN_DECODER(elf)
{
	const uint8_t *bytes = sign->bytes;
	unsigned type, header;
	uint64_t length;
	bool wide;

	if (sign->size < sizeof(Elf64_Ehdr))
		return mf_sign_short(sign);
	wide = bytes[EI_CLASS] == ELFCLASS64;
	if ((!wide && bytes[EI_CLASS] != ELFCLASS32) ||
	    bytes[EI_VERSION] != EV_CURRENT || bytes[EI_ABIVERSION] > 8)
		return MF_SIGN_NOT;
	if (bytes[EI_DATA] == ELFDATA2MSB) {
		type = mf_big16(bytes + 16);
		header = mf_big16(bytes + (wide ? 52 : 40));
	} else if (bytes[EI_DATA] == ELFDATA2LSB) {
		type = mf_load(uint16_t, bytes + 16);
		header = mf_load(uint16_t, bytes + (wide ? 52 : 40));
	} else {
		return MF_SIGN_NOT;
	}
	if (type < ET_REL || type > ET_CORE ||
	    header != (wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "%s, %s bits",
			 elf_type(type), wide ? "64" : "32");
	length = bytes[EI_DATA] == ELFDATA2LSB ? elf_length(bytes, wide) : 0;
	if (length < header)
		return mf_sign_is_about(sign, header, ret);
	return mf_sign_is_long(sign, length, ret);
}

/* ---- JPEG ----------------------------------------------------------------------- */

enum {
	JPEG_SOF0 = 0xc0,
	JPEG_SOF15 = 0xcf,
	JPEG_EOI = 0xd9,
	JPEG_SOS = 0xda,
	JPEG_DQT = 0xdb,
	JPEG_DRI = 0xdd,
	JPEG_APP0 = 0xe0,
	JPEG_APP15 = 0xef,
	JPEG_COMMENT = 0xfe,
};

static bool is_jpeg_segment(uint8_t marker)
{
	return (marker >= JPEG_SOF0 && marker <= JPEG_SOF15 &&
		marker != 0xc8) ||
	       (marker >= JPEG_SOS && marker <= JPEG_DRI && marker != 0xdc) ||
	       (marker >= JPEG_APP0 && marker <= JPEG_APP15) ||
	       marker == JPEG_COMMENT;
}

/* Where the picture that begins at AT ends; 0: not here. */
static size_t find_jpeg_end(const struct mf_sign *sign, size_t at)
{
	const uint8_t *bytes = sign->bytes;
	size_t from = at, end = mf_sign_afford(sign);
	const uint8_t *found;

	while (at + 1 < end &&
	       (found = memchr(bytes + at, 0xff, end - at - 1)) != NULL) {
		at = (size_t)(found - bytes) + 1;
		if (bytes[at] == JPEG_EOI)
			break;
	}
	mf_sign_pay(sign, at - from);
	return at < end && bytes[at] == JPEG_EOI ? at + 1 : 0;
}

MF_SIGN_DECODER(jpeg)
{
	enum {
		ENOUGH = 3,
		EXIF = 6, /* where its name is */
	};
	const uint8_t *bytes = sign->bytes;
	unsigned segments = 0;
	size_t at = 2;
	bool scan = false;

	while (!scan && at + 4 <= sign->size) {
		unsigned length = mf_big16(bytes + at + 2);

		if (bytes[at] != 0xff || !is_jpeg_segment(bytes[at + 1]) ||
		    length < 2)
			return MF_SIGN_NOT;
		if (ret->detailed && bytes[at + 1] >= JPEG_SOF0 &&
		    bytes[at + 1] <= 0xc2 && at + 9 <= sign->size)
			snprintf(ret->detail, sizeof(ret->detail), "%u x %u",
				 mf_big16(bytes + at + 7),
				 mf_big16(bytes + at + 5));
		scan = bytes[at + 1] == JPEG_SOS;
		segments++;
		at += 2 + length;
	}
	if (segments < ENOUGH &&
	    !(segments && at > sign->size && sign->size >= EXIF + 5 &&
	      !memcmp(bytes + EXIF, "Exif", 5)))
		return mf_sign_short(sign);
	if (scan && at < sign->size) {
		size_t end = find_jpeg_end(sign, at);

		if (end)
			return mf_sign_is_long(sign, end, ret);
	}
	return mf_sign_is_about(sign, MF_MIN(at, sign->size), ret);
}

/* ---- PNG ------------------------------------------------------------------------- */

MF_SIGN_DECODER(png)
{
	enum {
		MAGIC = 8,
		AROUND = 12, /* length, type, checksum */
		HEADER = MAGIC + AROUND + 13,
	};
	const uint8_t *bytes = sign->bytes;
	size_t at = MAGIC;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	if (mf_big32(bytes + MAGIC) != 13 ||
	    memcmp(bytes + 12, "IHDR", 4) != 0 || !mf_big32(bytes + 16) ||
	    !mf_big32(bytes + 20) || bytes[24] > 16)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "%u x %u",
			 mf_big32(bytes + 16), mf_big32(bytes + 20));
	while (at + AROUND <= sign->size) {
		uint32_t length = mf_big32(bytes + at);
		bool last = !memcmp(bytes + at + 4, "IEND", 4);

		if (length > INT32_MAX)
			break;
		at += AROUND + (size_t)length;
		if (last)
			return mf_sign_is_long(sign, at, ret);
	}
	return mf_sign_is_about(sign, MF_MIN(at, sign->size), ret);
}

/* ---- PDF ------------------------------------------------------------------------- */

MF_SIGN_DECODER(pdf)
{
	enum {
		HEADER = 9,
		END = 5
	};
	static const char magic[] = "%PDF-", end_mark[] = "%%EOF";
	const uint8_t *bytes = sign->bytes,
		      *limit = bytes + mf_sign_afford(sign);
	const uint8_t *next, *found = NULL, *at;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	if (bytes[5] < '1' || bytes[5] > '2' || bytes[6] != '.' ||
	    bytes[7] < '0' || bytes[7] > '9' ||
	    (bytes[8] != '\r' && bytes[8] != '\n' && bytes[8] != ' '))
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "version %.3s",
			 (const char *)bytes + 5);
	next = memmem(bytes + HEADER, (size_t)(limit - bytes) - HEADER, magic,
		      END);
	limit = next ? next : limit;
	mf_sign_pay(sign, (size_t)(limit - bytes));
	/* One that was added to has several ends. */
	for (at = bytes; (at = memmem(at, (size_t)(limit - at), end_mark, END));
	     at += END)
		found = at;
	if (!found || (sign->more && !next))
		return mf_sign_is_about(sign, HEADER, ret);
	mf_sign_is_long(sign, (uint64_t)(found - bytes) + END, ret);
	return MF_SIGN_IS;
}
