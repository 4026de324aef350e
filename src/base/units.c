/*
 * Formats and parses sizes, counts and times.
 */
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"

/* The end of the year 9999. */
static const uint64_t last_second = UINT64_C(253402300799);

char *mf_format_size(char text[MF_UNIT_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, MF_UNIT_TEXT, "%u B", (unsigned)bytes);
		return text;
	}
	/* 1023.95 would be printed as 1024.0 */
	while (value >= 1023.95 && unit + 1 < MF_ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, MF_UNIT_TEXT, "%.1f %s", value, units[unit]);
	return text;
}

char *mf_format_bytes(char text[MF_UNIT_TEXT], uint64_t bytes, bool plain)
{
	if (!plain)
		return mf_format_size(text, bytes);
	snprintf(text, MF_UNIT_TEXT, "%" PRIu64, bytes);
	return text;
}

char *mf_format_count(char text[MF_UNIT_TEXT], uint64_t count)
{
	char digits[MF_UNIT_TEXT];
	size_t length, at = 0;

	length = (size_t)snprintf(digits, sizeof(digits), "%llu",
				  (unsigned long long)count);
	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[at++] = ' ';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

char *mf_format_time(char text[MF_UNIT_TEXT], double ms)
{
	/* What would be rounded up to the next unit is written in it. */
	if (ms < 0.995)
		snprintf(text, MF_UNIT_TEXT, "%.2f ms", ms);
	else if (ms < 999.95)
		snprintf(text, MF_UNIT_TEXT, "%.1f ms", ms);
	else if (ms < 120000)
		snprintf(text, MF_UNIT_TEXT, "%.1f s", ms / 1000);
	else if (ms < 60000 * 1e9)
		snprintf(text, MF_UNIT_TEXT, "%.0f min", ms / 60000);
	else
		snprintf(text, MF_UNIT_TEXT, "very long");
	return text;
}

char *mf_format_date(char text[MF_UNIT_TEXT], uint64_t seconds)
{
	time_t moment = (time_t)MF_MIN(seconds, last_second);
	struct tm parts;

	if (!localtime_r(&moment, &parts) ||
	    !strftime(text, MF_UNIT_TEXT, "%Y-%m-%d %H:%M:%S", &parts))
		text[0] = '\0';
	return text;
}

char *mf_format_clock(char text[MF_UNIT_TEXT], uint64_t seconds)
{
	time_t moment = (time_t)MF_MIN(seconds, last_second);
	struct tm parts;

	if (!localtime_r(&moment, &parts) ||
	    !strftime(text, MF_UNIT_TEXT, "%H:%M:%S", &parts))
		text[0] = '\0';
	return text;
}

char *mf_format_utc(char text[MF_UNIT_TEXT], uint64_t seconds)
{
	time_t moment = (time_t)MF_MIN(seconds, last_second);
	struct tm parts;

	if (!gmtime_r(&moment, &parts) ||
	    !strftime(text, MF_UNIT_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts))
		text[0] = '\0';
	return text;
}

bool mf_parse_number(const char *text, uint64_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	char *end;

	if (hex ? !isxdigit((unsigned char)*digits)
		: !isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*ret = strtoull(digits, &end, hex ? 16 : 10);
	return !errno && !*end;
}

/* A plain decimal number, with or without a fraction, and what follows. */
static bool parse_decimal(const char *text, double *value, const char **rest)
{
	size_t length = strspn(text, "0123456789.");
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	*value = strtod(text, &end);
	*rest = end;
	/* strtod also takes exponents and hexadecimal. */
	return end == text + length;
}

bool mf_parse_size(const char *text, uint64_t *ret)
{
	static const char letters[] = "KMGT";
	const char *rest, *letter;
	double value;

	if (mf_parse_number(text, ret))
		return true;
	if (!parse_decimal(text, &value, &rest) || !*rest)
		return false;
	letter = strchr(letters, toupper((unsigned char)*rest));
	if (!letter || (rest[1] && strcmp(rest + 1, "iB") != 0 &&
			strcmp(rest + 1, "B") != 0))
		return false;
	for (const char *step = letters; step <= letter; step++)
		value *= 1024;
	if (value >= 18446744073709551615.0)
		return false;
	*ret = (uint64_t)value;
	return true;
}

bool mf_parse_time(const char *text, uint64_t *ret)
{
	static const struct {
		const char *suffix;
		double ns;
	} units[] = {
		{ "us", 1e3 }, { "ms", 1e6 },	{ "s", 1e9 },
		{ "m", 6e10 }, { "h", 3.6e12 },
	};
	const char *rest;
	double value;

	if (!parse_decimal(text, &value, &rest))
		return false;
	if (!*rest && value == 0) {
		*ret = 0;
		return true;
	}
	for (size_t i = 0; i < MF_ARRAY_SIZE(units); i++) {
		if (strcmp(rest, units[i].suffix) != 0)
			continue;
		if (value * units[i].ns >= 9e18)
			return false;
		*ret = (uint64_t)(value * units[i].ns);
		return true;
	}
	return false;
}
