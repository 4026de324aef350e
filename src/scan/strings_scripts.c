/*
 * Texts of UTF-16LE that have no four characters of ASCII in a row: in Greek,
 * Cyrillic, Han and others. A character of theirs alone says little (each third
 * pair of random bytes is one of Han), so a text has to be of one script, and
 * of letters that are as frequent as they are in writing, until chance could
 * not have made it: once in a million times, about.
 */
#include <uchar.h>

#include "scan/strings.h"

enum {
	FIRST_HAN = 0x4e00,
	HIGH = 0xd800,
	LOW = 0xdc00,
	AFTER_LOW = 0xe000,
	IN_A_ROW = 4,
	KINDS = 3,	  /* of letters, at least */
	ENOUGH = 50,	  /* half bits of evidence */
	FREQUENT = 14,	  /* half bits that such a letter is worth */
	MOST_JUDGED = 64, /* letters by which order and kinds are told */
};

/* Of which letters a text of one script is made. */
enum script {
	UNKNOWN,
	ANY, /* signs that stand between letters of all of them */
	GREEK,
	CYRILLIC,
	ARMENIAN,
	HEBREW,
	ARABIC,
	GEORGIAN,
	ETHIOPIC,
	KHMER,
	HAN, /* with kana */
	HANGUL,
	INDIC, /* and so on: one each 128 */
};

/* What one of [first, last] is worth, in half bits: how improbable it is. */
struct block {
	uint16_t first, last;
	uint8_t script, worth;
};

static const struct block blocks[] = {
	{ 0x0009, 0x0009, ANY, 0 },
	{ 0x0020, 0x007e, ANY, 0 },
	{ 0x00a0, 0x036f, ANY, 0 }, /* Latin */
	{ 0x0370, 0x03ff, GREEK, 16 },
	{ 0x0400, 0x052f, CYRILLIC, 16 },
	{ 0x0530, 0x058f, ARMENIAN, 16 },
	{ 0x0590, 0x05ff, HEBREW, 16 },
	{ 0x0600, 0x06ff, ARABIC, 16 },
	{ 0x0900, 0x109f, INDIC, 16 },
	{ 0x10a0, 0x10ff, GEORGIAN, 16 },
	{ 0x1200, 0x137f, ETHIOPIC, 14 },
	{ 0x1780, 0x17ff, KHMER, 16 },
	{ 0x1e00, 0x1eff, ANY, 0 }, /* Latin */
	{ 0x1f00, 0x1fff, GREEK, 16 },
	{ 0x2000, 0x206f, ANY, 0 },
	{ 0x20a0, 0x20bf, ANY, 0 },
	{ 0x2100, 0x27bf, ANY, 0 }, /* arrows, boxes, signs */
	/* those behind it look like digits of ASCII */
	{ 0x3000, 0x302f, ANY, FREQUENT },
	{ 0x3040, 0x30ff, HAN, 14 },
	{ 0x3105, 0x312f, HAN, 14 },
	{ 0x3131, 0x318f, HANGUL, 14 },
	{ FIRST_HAN, 0x9fff, HAN, 3 },
	{ 0xac00, 0xd7a3, HANGUL, 5 },
	{ 0xff01, 0xffe6, ANY, 10 },
};

/* Every second letter of what is written is one of these. Ascending. */
static const char16_t frequent[] =
	u"一万三上下不与且世业东两个中为主么义之也书了争事二于五些交"
	u"产人什今从他代以们件任会传但位住体何作你使來便保信個們候做"
	u"傳像價儿先光克入全兩公共关其内円再军决几出分切则別利别到制"
	u"則前力功加务动動務化北区區十单南即却原去又及反发取受变口只"
	u"可号司各合同名后向听告员命和品員問四回因国國在地场址基報場"
	u"声处外多大天太失头女她好如子字存学學它安完定实客家實对导将"
	u"將對導小少就展山工己已市师带師帶常平年并应度建开式张張強强"
	u"当录形彼很後得從德心必思性总情想意感應成我或战户所手才打把"
	u"报拉指据接提據放政教数數文斯新方无日时明是時更書最會月有望"
	u"期本术机权条来東果样格條業樣機權次正此歳死比民气氣水求決沒"
	u"没治法活海消清点為無然爭爾物特王现現理生產用由电界番當登發"
	u"白的目直相看県真眼着知确確社神私种科程種空立第等管类系結給"
	u"經続總经结给统置美義老者而联聞聲聽能自至與色萬處行術表被裡"
	u"西要見規觀见观规觉解計記設許話該認語說論識變讓计订认让记许"
	u"论设识话该误说象資败资走起路身軍边达过运还这进這通連進運道"
	u"達還邊那邮部郵都里重量金错長长門開間関關门问间队院隊难難電"
	u"非面領頭題類领题馬駅马體高麼點가것게결경계고공과관구그기나"
	u"는니다대도동되들등때라력로를리만말면명문방보부비사상서성세"
	u"소수스습시신아안어없에여였오요용우원유으은을음의이인일있자"
	u"장적전정제주지치하한합해했화";

static bool is_frequent(uint32_t unit)
{
	size_t low = 0, high = MF_ARRAY_SIZE(frequent) - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (frequent[middle] < unit)
			low = middle + 1;
		else
			high = middle;
	}
	return frequent[low] == unit;
}

/* What UNIT is of; *WORTH in half bits. */
static unsigned script_of(uint32_t unit, unsigned *worth)
{
	*worth = 0;
	for (size_t i = 0; i < MF_ARRAY_SIZE(blocks); i++) {
		const struct block *block = &blocks[i];

		if (unit < block->first)
			return UNKNOWN;
		if (unit > block->last)
			continue;
		*worth = block->worth;
		if (block->worth && block->worth < FREQUENT &&
		    is_frequent(unit))
			*worth = FREQUENT;
		return block->script == INDIC ? INDIC + (unit >> 7)
					      : block->script;
	}
	return UNKNOWN;
}

/*
 * The script of characters by their upper byte; ANY: that is of several, or
 * other than letters. What this refuses nobody has to look at twice.
 */
static const uint8_t pages[256] = {
	[0x00 ... 0x02] = ANY,
	[0x03] = ANY,
	[0x04] = CYRILLIC,
	[0x05] = ANY,
	[0x06] = ARABIC,
	[0x09 ... 0x10] = ANY,
	[0x12 ... 0x13] = ETHIOPIC,
	[0x17] = KHMER,
	[0x1f] = GREEK,
	[0x1e] = ANY,
	[0x20 ... 0x27] = ANY,
	[0x30 ... 0x31] = ANY,
	[0x4e ... 0x9f] = HAN,
	[0xac ... 0xd7] = HANGUL,
	[0xd8 ... 0xdf] = ANY,
	[0xff] = ANY,
};

bool mf_string_may_begin_script(const uint8_t *bytes)
{
	unsigned first = pages[bytes[1]], second = pages[bytes[3]];
	unsigned third = pages[bytes[5]], fourth = pages[bytes[7]];
	unsigned script = ANY;

	/* nearly all of what is asked for is refused here, with one branch */
	if (!first | !second | !third | !fourth)
		return false;
	for (unsigned i = 1; i < 2 * IN_A_ROW; i += 2) {
		unsigned of = pages[bytes[i]];

		if (of == ANY)
			continue;
		if (script != ANY && of != script)
			return false;
		script = of;
	}
	return true;
}

/* ---- a text ----------------------------------------------------------------- */

struct judged {
	uint32_t size, characters, letters;
	unsigned script; /* ANY: none yet */
	unsigned evidence;
	unsigned row, longest; /* letters in a row */
	unsigned pairs;	       /* letters that are two of ASCII as well */
	unsigned rises, falls; /* of a letter to the next */
	uint32_t last;
	uint64_t kinds; /* of letters, by their lower bits */
};

/* Says whether UNIT is as likely two letters of ASCII as one of Han. */
static bool is_pair(uint32_t unit)
{
	uint32_t low = unit & 0xff, high = unit >> 8;

	return unit >= FIRST_HAN && low >= ' ' && low < 0x7f && high < 0x7f;
}

static void add_letter(struct judged *judged, uint32_t unit)
{
	judged->row++;
	judged->longest = MF_MAX(judged->longest, judged->row);
	judged->letters++;
	if (judged->letters > MOST_JUDGED)
		return;
	judged->pairs += is_pair(unit);
	judged->kinds |= UINT64_C(1) << unit % 64;
	if (judged->last) {
		judged->rises += unit > judged->last;
		judged->falls += unit < judged->last;
	}
	judged->last = unit;
}

/* Adds UNIT; false: it is not of the same text. */
static bool add(struct judged *judged, uint32_t unit)
{
	unsigned worth, script = script_of(unit, &worth);

	if (script == UNKNOWN)
		return false;
	if (script == ANY) {
		judged->row = 0;
	} else {
		if (judged->script != ANY && judged->script != script)
			return false;
		judged->script = script;
		add_letter(judged, unit);
	}
	if (judged->evidence < ENOUGH)
		judged->evidence += worth;
	judged->size += 2;
	judged->characters++;
	return true;
}

/* Tables of numbers rise, or repeat one; text does neither. */
static bool is_text(const struct judged *judged)
{
	uint32_t letters = MF_MIN(judged->letters, (uint32_t)MOST_JUDGED);

	return judged->longest >= IN_A_ROW && judged->evidence >= ENOUGH &&
	       judged->letters * 2 >= judged->characters &&
	       judged->pairs * 2 < letters && judged->rises && judged->falls &&
	       __builtin_popcountll(judged->kinds) >= KINDS;
}

bool mf_string_fits_script(uint32_t unit, unsigned *script)
{
	unsigned worth, of = script_of(unit, &worth);

	if (of == UNKNOWN || (of != ANY && *script && of != *script))
		return false;
	if (of != ANY)
		*script = of;
	return true;
}

uint32_t mf_string_script(const uint8_t *bytes, uint32_t size,
			  uint32_t *characters)
{
	struct judged judged = { .script = ANY };

	if (size < 2 * IN_A_ROW || !mf_string_may_begin_script(bytes))
		return 0;
	while (size - judged.size >= 2) {
		const uint8_t *at = bytes + judged.size;
		uint32_t unit = mf_wide_unit(at);

		if (unit >= HIGH && unit < LOW && size - judged.size >= 4 &&
		    mf_wide_unit(at + 2) - LOW < AFTER_LOW - LOW) {
			judged.size += 4;
			judged.characters++;
			judged.row = 0;
		} else if (!add(&judged, unit)) {
			break;
		}
	}
	*characters = judged.characters;
	return is_text(&judged) ? judged.size : 0;
}

bool mf_string_may_be_script(const uint8_t *bytes, uint32_t units)
{
	unsigned worth, pairs = 0, all = ANY;

	for (uint32_t i = 0; i < units; i++) {
		uint32_t unit = mf_wide_unit(bytes + (size_t)i * 2);

		unsigned script = script_of(unit, &worth);

		if (script == UNKNOWN ||
		    (script != ANY && all != ANY && script != all))
			return false;
		all = script == ANY ? all : script;
		/* or they are of ASCII, one byte off */
		pairs += is_pair(unit) || !(unit & 0xff);
	}
	return pairs < units;
}
