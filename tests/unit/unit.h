/*
 * cmocka with what it needs before it.
 */
#ifndef MF_TESTS_UNIT_H
#define MF_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#endif
