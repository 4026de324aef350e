/*
 * The signatures that are known. Where several rows begin alike, the first one
 * whose decoder agrees is it.
 */
#include "scan/signatures.h"

/* MAGIC may have NULs inside; its own at the end does not count. */
#define NOTHING ""
#define FULL_ROW(name, magic, at, where, text, secret, decoder, clear, some) \
	{                                                                    \
		name, magic, mf_sign_##decoder, MF_SIGN_##where,             \
			sizeof(magic) - 1, at, text, secret, clear, some     \
	}
#define ROW(name, magic, decoder)                                          \
	FULL_ROW(name, magic, 0, ANYWHERE, false, false, decoder, NOTHING, \
		 NOTHING)
#define ROW_AT(name, magic, at, decoder)                                    \
	FULL_ROW(name, magic, at, ANYWHERE, false, false, decoder, NOTHING, \
		 NOTHING)
#define TEXT_ROW(name, magic, decoder)                                    \
	FULL_ROW(name, magic, 0, ANYWHERE, true, false, decoder, NOTHING, \
		 NOTHING)
#define SECRET_ROW(name, magic, at, decoder)                               \
	FULL_ROW(name, magic, at, ANYWHERE, false, true, decoder, NOTHING, \
		 NOTHING)
#define ALIGNED_ROW(name, magic, decoder)                                    \
	FULL_ROW(name, magic, 0, ALIGNED, false, false, decoder, PAGE_CLEAR, \
		 PAGE_SOME)
#define MESSAGE_ROW(name, magic, decoder)                         \
	FULL_ROW(name, magic, 0, ANYWHERE, false, false, decoder, \
		 MESSAGE_CLEAR, MESSAGE_SOME)
#define PEM_ROW(name, secret, decoder)                                   \
	FULL_ROW(name, "-----BEGIN ", 0, WITHIN, false, secret, decoder, \
		 NOTHING, NOTHING)
#define BEGINS_ROW(name, decoder) \
	FULL_ROW(name, "", 0, BEGINS, false, false, decoder, NOTHING, NOTHING)

/* Of a b-tree page: not that many cells, but some; few fragments. */
#define PAGE_CLEAR "\0\0\0\xc0\0\0\0\xc0"
#define PAGE_SOME  "\0\0\0\xff\xff"
/* Of a message: its length, which counts itself and is not that large. */
#define MESSAGE_CLEAR "\0\xff\xff\x80"
#define MESSAGE_SOME  "\0\0\0\xff\xff"

#define CLASS	 "Java class file"
#define CERT	 "X.509 certificate (DER)"
#define DER_KEY	 "private key (DER)"
#define HTTP_ASK "HTTP request"
#define JSON	 "JSON"
#define MYSQL	 "MySQL protocol"
#define POSTGRES "PostgreSQL protocol"
#define RESP	 "Redis protocol (RESP)"
#define SQLITE	 "SQLite page"
#define TLS	 "TLS records"
#define ZLIB	 "zlib stream"

/* clang-format off */
static const struct mf_signature signatures[] = {
	ROW("ELF object", "\177ELF", elf),

	ROW("gzip stream", "\x1f\x8b\x08", gzip),
	ROW(ZLIB, "\x78\x01", zlib), ROW(ZLIB, "\x78\x5e", zlib),
	ROW(ZLIB, "\x78\x9c", zlib), ROW(ZLIB, "\x78\xda", zlib),
	ROW(ZLIB, "\x68\x05", zlib), ROW(ZLIB, "\x68\x43", zlib),
	ROW(ZLIB, "\x68\x81", zlib), ROW(ZLIB, "\x68\xde", zlib),
	ROW(ZLIB, "\x58\x09", zlib), ROW(ZLIB, "\x58\x47", zlib),
	ROW(ZLIB, "\x58\x85", zlib), ROW(ZLIB, "\x58\xc3", zlib),
	ROW("zstd frame", "\x28\xb5\x2f\xfd", zstd),
	ROW("LZ4 frame", "\x04\x22\x4d\x18", lz4),
	ROW("snappy stream", "\xff\x06\x00\x00sNaPpY", snappy),

	ROW("JPEG picture", "\xff\xd8\xff", jpeg),
	ROW("PNG picture", "\x89PNG\r\n\x1a\n", png),
	ROW("PDF document", "%PDF-", pdf),

	TEXT_ROW(JSON, "{\"", json), TEXT_ROW(JSON, "{ ", json),
	TEXT_ROW(JSON, "{\n", json), TEXT_ROW(JSON, "{\r\n", json),
	TEXT_ROW(JSON, "{\t", json), TEXT_ROW(JSON, "[{", json),
	TEXT_ROW(JSON, "[\"", json), TEXT_ROW(JSON, "[\n", json),
	TEXT_ROW(JSON, "[ ", json),
	TEXT_ROW("XML document", "<?xml version=", xml),
	TEXT_ROW("HTML document", "<!doctype ", html),
	TEXT_ROW("HTML document", "<!DOCTYPE ", html),

	TEXT_ROW(HTTP_ASK, "GET ", http_request),
	TEXT_ROW(HTTP_ASK, "POST ", http_request),
	TEXT_ROW(HTTP_ASK, "PUT ", http_request),
	TEXT_ROW(HTTP_ASK, "HEAD ", http_request),
	TEXT_ROW(HTTP_ASK, "DELETE ", http_request),
	TEXT_ROW(HTTP_ASK, "OPTIONS ", http_request),
	TEXT_ROW(HTTP_ASK, "PATCH ", http_request),
	TEXT_ROW(HTTP_ASK, "CONNECT ", http_request),
	TEXT_ROW(HTTP_ASK, "TRACE ", http_request),
	TEXT_ROW("HTTP response", "HTTP/1.", http_response),
	ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http2),

	ROW(TLS, "\x14\x03", tls), ROW(TLS, "\x15\x03", tls),
	ROW(TLS, "\x16\x03", tls), ROW(TLS, "\x17\x03", tls),

	ROW(CERT, "\x30\x82", certificate), ROW(CERT, "\x30\x81", certificate),
	PEM_ROW("X.509 certificate (PEM)", false, pem_certificate),
	PEM_ROW("private key (PEM)", true, pem_key),
	PEM_ROW("private key, encrypted (PEM)", true, pem_encrypted),
	PEM_ROW("PEM text", false, pem_other),
	SECRET_ROW(DER_KEY, "\x02\x01\x00\x30", 2, pkcs8),
	SECRET_ROW(DER_KEY, "\x02\x01\x00\x30", 3, pkcs8),
	SECRET_ROW(DER_KEY, "\x02\x01\x00\x30", 4, pkcs8),
	SECRET_ROW(DER_KEY, "\x02\x01\x01\x30", 2, pkcs8),
	SECRET_ROW(DER_KEY, "\x02\x01\x00\x02", 3, pkcs1),
	SECRET_ROW(DER_KEY, "\x02\x01\x00\x02", 4, pkcs1),
	SECRET_ROW(DER_KEY, "\x02\x01\x01\x04", 2, sec1),
	SECRET_ROW(DER_KEY, "\x02\x01\x01\x04", 3, sec1),
	SECRET_ROW("private key (OpenSSH)", "openssh-key-v1\0", 0, openssh),

	ROW("SQLite page", "SQLite format 3\0", sqlite_file),
	ALIGNED_ROW(SQLITE, "\x0d", sqlite_page),
	ALIGNED_ROW(SQLITE, "\x0a", sqlite_page),
	ALIGNED_ROW(SQLITE, "\x05", sqlite_page),
	ALIGNED_ROW(SQLITE, "\x02", sqlite_page),

	ROW_AT("PostgreSQL page", "\x04\x20", 18, postgres_page),
	ROW_AT("InnoDB page", "\x45\xbf", 24, innodb_page),

	ROW(CLASS, "\xca\xfe\xba\xbe", class),
	ROW("JAR archive", "PK\3\4", jar),
	ROW("ZIP archive", "PK\3\4", zip),
	ROW("ZIP entry", "PK\3\4", zip_entry),
	ROW("ZIP directory", "PK\1\2", zip_directory),

	ROW(RESP, "*1", resp), ROW(RESP, "*2", resp), ROW(RESP, "*3", resp),
	ROW(RESP, "*4", resp), ROW(RESP, "*5", resp), ROW(RESP, "*6", resp),
	ROW(RESP, "*7", resp), ROW(RESP, "*8", resp), ROW(RESP, "*9", resp),
	ROW(RESP, "$1", resp), ROW(RESP, "$2", resp), ROW(RESP, "$3", resp),
	ROW(RESP, "$4", resp), ROW(RESP, "$5", resp), ROW(RESP, "$6", resp),
	ROW(RESP, "$7", resp), ROW(RESP, "$8", resp), ROW(RESP, "$9", resp),

#define QUERY(verb) ROW_AT(MYSQL, "\3" verb, 4, mysql_query)
	QUERY("SELECT"), QUERY("select"), QUERY("INSERT"), QUERY("insert"),
	QUERY("UPDATE"), QUERY("update"), QUERY("DELETE"), QUERY("delete"),
	QUERY("CREATE"), QUERY("create"), QUERY("COMMIT"), QUERY("commit"),
	QUERY("BEGIN"), QUERY("begin"), QUERY("SHOW "), QUERY("show "),
	QUERY("SET "), QUERY("set "), QUERY("CALL "), QUERY("call "),
#undef QUERY
	ROW_AT(MYSQL, "\3def", 4, mysql_column),
	ROW_AT(MYSQL, "\0125.", 4, mysql_greeting),
	ROW_AT(MYSQL, "\0128.", 4, mysql_greeting),
	ROW_AT(MYSQL, "\0129.", 4, mysql_greeting),
	ROW_AT(MYSQL, "\0121", 4, mysql_greeting),

	MESSAGE_ROW(POSTGRES, "Q\0\0", postgres), MESSAGE_ROW(POSTGRES, "P\0\0", postgres),
	MESSAGE_ROW(POSTGRES, "T\0\0", postgres), MESSAGE_ROW(POSTGRES, "C\0\0\0", postgres),
	MESSAGE_ROW(POSTGRES, "Z\0\0\0\5", postgres), MESSAGE_ROW(POSTGRES, "S\0\0", postgres),
	MESSAGE_ROW(POSTGRES, "E\0\0", postgres), MESSAGE_ROW(POSTGRES, "N\0\0", postgres),
	MESSAGE_ROW(POSTGRES, "R\0\0\0", postgres), MESSAGE_ROW(POSTGRES, "1\0\0\0\4", postgres),
	ROW_AT(POSTGRES, "user\0", 8, postgres_startup),

	BEGINS_ROW("protobuf-like message", protobuf),
};
/* clang-format on */

const struct mf_signature *mf_signatures(size_t *count)
{
	*count = MF_ARRAY_SIZE(signatures);
	return signatures;
}
