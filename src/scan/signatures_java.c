/*
 * What a JVM has in memory as bytes: class files, and the ZIP archives that
 * they come in (JARs), as entries, whole, or as a central directory.
 */
#include <stdio.h>

#include "base/escape.h"
#include "scan/signatures.h"

/* ---- class files, JVMS 4 ------------------------------------------------------- */

struct class_reader {
	const uint8_t *bytes;
	size_t at, size;
	bool bad; /* beyond what is there, or not as it must be */
};

static unsigned take16(struct class_reader *reader)
{
	unsigned value;

	if (reader->bad || reader->size - reader->at < 2) {
		reader->bad = true;
		return 0;
	}
	value = mf_big16(reader->bytes + reader->at);
	reader->at += 2;
	return value;
}

static void skip(struct class_reader *reader, uint64_t size)
{
	if (reader->bad || reader->size - reader->at < size)
		reader->bad = true;
	else
		reader->at += size;
}

/* Bytes behind the tag of a constant; 0: no such tag. UTF-8 says its own. */
static unsigned constant_size(uint8_t tag)
{
	static const uint8_t sizes[] = { 0, 2, 0, 4, 4, 8, 8, 2, 2, 4, 4,
					 4, 4, 0, 0, 3, 2, 4, 4, 2, 2 };

	return tag < sizeof(sizes) ? sizes[tag] : 0;
}

enum {
	CONSTANT_UTF8 = 1,
	CONSTANT_LONG = 5,
	CONSTANT_DOUBLE = 6,
};

/* False where something stands that can't; runs out of bytes as bad. */
static bool skip_constants(struct class_reader *reader, unsigned count)
{
	for (unsigned i = 1; i < count && !reader->bad; i++) {
		uint8_t tag;

		if (reader->at >= reader->size) {
			reader->bad = true;
			return true;
		}
		tag = reader->bytes[reader->at++];
		if (!constant_size(tag))
			return false;
		if (tag == CONSTANT_UTF8)
			skip(reader, take16(reader));
		else
			skip(reader, constant_size(tag));
		if (tag == CONSTANT_LONG || tag == CONSTANT_DOUBLE)
			i++;
	}
	return true;
}

static void skip_attributes(struct class_reader *reader)
{
	for (unsigned left = take16(reader); left && !reader->bad; left--) {
		uint64_t high, length;

		skip(reader, 2);
		high = take16(reader);
		length = high << 16 | take16(reader);
		skip(reader, length);
	}
}

static void skip_members(struct class_reader *reader)
{
	for (unsigned left = take16(reader); left && !reader->bad; left--) {
		skip(reader, 6);
		skip_attributes(reader);
	}
}

MF_SIGN_DECODER(class)
{
	enum {
		HEADER = 10,
		OLDEST = 45,
		NEWEST = 99,
		FEWEST = 5, /* constants */
		ENOUGH = 16,
	};
	struct class_reader reader = { sign->bytes, HEADER, mf_sign_reach(sign),
				       false };
	unsigned major, constants;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	major = mf_big16(sign->bytes + 6);
	constants = mf_big16(sign->bytes + 8);
	if (major < OLDEST || major > NEWEST || constants < FEWEST ||
	    !skip_constants(&reader, constants))
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "class file version %u", major);
	if (!reader.bad) {
		skip(&reader, 6);
		skip(&reader, (uint64_t)take16(&reader) * 2);
		skip_members(&reader);
		skip_members(&reader);
		skip_attributes(&reader);
	}
	mf_sign_pay(sign, reader.at);
	if (!reader.bad)
		return mf_sign_is_long(sign, reader.at, ret);
	if (mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (reader.at < HEADER + ENOUGH)
		return MF_SIGN_NOT;
	return mf_sign_is_about(sign, reader.at, ret);
}

/* ---- ZIP, APPNOTE 4.3 ------------------------------------------------------------ */

enum {
	LOCAL_HEADER = 30,
	DIRECTORY_HEADER = 46,
	END_RECORD = 22,
	LONGEST_NAME = 1024,
	NEWEST_VERSION = 63,
	DESCRIPTOR_FLAG = 8, /* sizes stand behind the data */
};

static bool is_method(unsigned method)
{
	return method == 0 || method == 8 || method == 9 || method == 12 ||
	       method == 14 || method == 93 || method == 95;
}

static bool is_name(const uint8_t *name, size_t size)
{
	const char *text = (const char *)name;

	for (size_t at = 0, length; at < size; at += length) {
		length = mf_utf8_length(text + at, size - at);
		if (!length || name[at] < ' ')
			return false;
	}
	return size > 0 && size <= LONGEST_NAME;
}

/* One local header, or one of the directory: all that they have in common. */
static enum mf_sign_is check_entry(const struct mf_sign *sign, size_t fields,
				   size_t name_size, size_t name_at)
{
	const uint8_t *bytes = sign->bytes + fields;
	size_t length = mf_load(uint16_t, sign->bytes + name_size);

	if (bytes[0] > NEWEST_VERSION ||
	    !is_method(mf_load(uint16_t, bytes + 4)) ||
	    mf_load(uint16_t, bytes + 2) & 0xd000 || length > LONGEST_NAME)
		return MF_SIGN_NOT;
	if (sign->size < name_at + length)
		return mf_sign_short(sign);
	return is_name(sign->bytes + name_at, length) ? MF_SIGN_IS
						      : MF_SIGN_NOT;
}

static bool ends_with(const uint8_t *name, size_t size, const char *end)
{
	size_t length = strlen(end);

	return size >= length && !memcmp(name + size - length, end, length);
}

static bool is_jar_name(const uint8_t *name, size_t size)
{
	return ends_with(name, size, ".class") ||
	       (size >= 9 && !memcmp(name, "META-INF/", 9));
}

/* Just behind the archive's last record, where it stands where it says. */
static size_t find_archive_end(const struct mf_sign *sign)
{
	size_t from = LOCAL_HEADER, limit = mf_sign_afford(sign);
	const uint8_t *found;

	while (from + END_RECORD <= limit &&
	       (found = memmem(sign->bytes + from, limit - from, "PK\5\6",
			       4)) != NULL) {
		size_t at = (size_t)(found - sign->bytes);
		uint64_t start;

		mf_sign_pay(sign, at - from);
		from = at + 4;
		if (sign->size - at < END_RECORD)
			return 0;
		start = (uint64_t)mf_load(uint32_t, found + 12) +
			mf_load(uint32_t, found + 16);
		if (start == at)
			return at + END_RECORD + mf_load(uint16_t, found + 20);
	}
	return 0;
}

static void write_name(const struct mf_sign *sign, struct mf_sign_found *ret)
{
	size_t size = mf_load(uint16_t, sign->bytes + 26);

	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "first entry %.*s",
			 (int)MF_MIN(size, (size_t)40),
			 (const char *)sign->bytes + LOCAL_HEADER);
}

static enum mf_sign_is check_local(const struct mf_sign *sign)
{
	if (sign->size < LOCAL_HEADER)
		return mf_sign_short(sign);
	return check_entry(sign, 4, 26, LOCAL_HEADER);
}

static enum mf_sign_is check_archive(const struct mf_sign *sign, bool jar,
				     struct mf_sign_found *ret)
{
	enum mf_sign_is is = check_local(sign);
	size_t end;

	if (is != MF_SIGN_IS)
		return is;
	if (is_jar_name(sign->bytes + LOCAL_HEADER,
			mf_load(uint16_t, sign->bytes + 26)) != jar)
		return MF_SIGN_NOT;
	end = find_archive_end(sign);
	if (!end)
		return mf_sign_short(sign);
	write_name(sign, ret);
	return mf_sign_is_long(sign, end, ret);
}

MF_SIGN_DECODER(jar)
{
	return check_archive(sign, true, ret);
}

MF_SIGN_DECODER(zip)
{
	return check_archive(sign, false, ret);
}

/* Of an archive whose end is not there. */
MF_SIGN_DECODER(zip_entry)
{
	enum mf_sign_is is = check_local(sign);
	size_t data;

	if (is != MF_SIGN_IS)
		return is;
	write_name(sign, ret);
	data = LOCAL_HEADER + (size_t)mf_load(uint16_t, sign->bytes + 26) +
	       mf_load(uint16_t, sign->bytes + 28);
	if (mf_load(uint16_t, sign->bytes + 6) & DESCRIPTOR_FLAG)
		return mf_sign_is_about(sign, data, ret);
	return mf_sign_is_long(
		sign, data + (uint64_t)mf_load(uint32_t, sign->bytes + 18),
		ret);
}

MF_SIGN_DECODER(zip_directory)
{
	enum mf_sign_is is = MF_SIGN_IS;
	struct mf_sign rest = *sign;
	uint32_t entries = 0;
	size_t at = 0;

	for (;;) {
		rest.bytes = sign->bytes + at;
		rest.size = sign->size - MF_MIN(at, sign->size);
		if (rest.size < DIRECTORY_HEADER) {
			is = mf_sign_short(sign);
			break;
		}
		if (memcmp(rest.bytes, "PK\1\2", 4) != 0)
			break;
		is = check_entry(&rest, 6, 28, DIRECTORY_HEADER);
		if (is != MF_SIGN_IS)
			break;
		at += DIRECTORY_HEADER +
		      (size_t)mf_load(uint16_t, rest.bytes + 28) +
		      mf_load(uint16_t, rest.bytes + 30) +
		      mf_load(uint16_t, rest.bytes + 32);
		entries++;
	}
	if (is == MF_SIGN_CUT || !entries)
		return is == MF_SIGN_CUT ? is : MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "%u entries",
			 entries);
	return mf_sign_is_long(sign, at, ret);
}
