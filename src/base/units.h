/*
 * Sizes, times and numbers as people write and read them.
 */
#ifndef MF_BASE_UNITS_H
#define MF_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_KIB = 1 << 10,
	MF_MIB = 1 << 20,
	MF_GIB = 1 << 30,
};

/** Room for any text that the functions below write. */
enum {
	MF_UNIT_TEXT = 32,
};

/** "0 B", "512 B", "1.4 KiB", "64.0 MiB", "3.1 GiB"; returns TEXT. */
char *mf_format_size(char text[MF_UNIT_TEXT], uint64_t bytes);

/** The same, or where PLAIN digits alone: "65536"; returns TEXT. */
char *mf_format_bytes(char text[MF_UNIT_TEXT], uint64_t bytes, bool plain);

/** "1 234 567": digits in groups of three; returns TEXT. */
char *mf_format_count(char text[MF_UNIT_TEXT], uint64_t count);

/** "0.06 ms", "3.1 ms", "1.2 s", "4 min"; returns TEXT. */
char *mf_format_time(char text[MF_UNIT_TEXT], double ms);

/** "2026-11-21 15:02:11", here; returns TEXT. */
char *mf_format_date(char text[MF_UNIT_TEXT], uint64_t seconds);
/** The same without the day: "14:05:59". */
char *mf_format_clock(char text[MF_UNIT_TEXT], uint64_t seconds);

/** "2026-11-21T15:02:11Z"; returns TEXT. */
char *mf_format_utc(char text[MF_UNIT_TEXT], uint64_t seconds);

/** "64M", "0x1000", "4096", "1.5G" in bytes; false when it is none. */
bool mf_parse_size(const char *text, uint64_t *ret);

/** "50ms", "2s", "5m", "1h", "0" in nanoseconds; false when it is none. */
bool mf_parse_time(const char *text, uint64_t *ret);

/** Decimal, or hexadecimal with 0x; false when it is none or too large. */
bool mf_parse_number(const char *text, uint64_t *ret);

#endif
