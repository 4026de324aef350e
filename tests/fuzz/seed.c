/*
 * A small process whose heaps hold a little of everything, and zeros where
 * malloc left none: capture makes the corpus of it. It runs with every glibc.
 *
 *   seed plain      all in the main arena, with a foreign move of the break
 *   seed threads    arenas of two threads, and their caches
 *   seed blocked    the break cannot move
 *   seed copies     another libc beside its own, and no break for it
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "portable.h"

enum {
	STACK = 64 << 10,
	HOLES = 12,
	FAST = 12,
};

static pthread_barrier_t barrier;
static void *volatile kept;

static void *(*get)(size_t) = malloc;
static void (*give)(void *) = free;

static void *take(size_t size)
{
	return kept = get(size);
}

static void fill(void)
{
	void *cached[8], *fast[FAST], *small[2 * HOLES], *large;

	for (size_t i = 0; i < 8; i++)
		cached[i] = take(0x38 + 0x40 * (i % 2));
	for (size_t i = 0; i < FAST; i++)
		fast[i] = take(0x28);
	for (size_t i = 0; i < 2 * HOLES; i++)
		small[i] = take(0x180 + 0x90 * i);
	large = take(0x4000);
	take(0x40);
	for (size_t i = 0; i < 8; i++)
		give(cached[i]);
	for (size_t i = 0; i < FAST; i++)
		if (i % 6)
			give(fast[i]);
	for (size_t i = 0; i < HOLES; i++)
		give(small[2 * i]);
	take(0x8000); /* sorts what is free */
	give(large);
	give(small[7]);
	for (size_t i = 0; i < FAST; i++)
		if (i % 6 == 0 || i == 3)
			fast[i] = take(0x28);
	for (size_t i = 0; i < FAST; i++)
		fast[i] = take(0x48);
	for (size_t i = 0; i < FAST; i++)
		give(fast[i]);
}

static void *work(void *unused)
{
	fill();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

static void plain(void)
{
	fill();
	if (sbrk(0x1230) == (void *)-1)
		abort();
	take(300000);
	take(200000);
	kept = memalign(4096, 400000);
	kept = memalign(64, 300000);
	fill();
}

static void threads(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	fill();
	pthread_barrier_init(&barrier, NULL, 3);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, &attributes, work, NULL))
			abort();
	pthread_barrier_wait(&barrier);
}

static void blocked(void)
{
	uintptr_t end = ((uintptr_t)sbrk(0) + 4095) & ~(uintptr_t)4095;

	if (mmap((void *)end, 4096, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
	for (int i = 0; i < 4; i++)
		fill();
}

static void copies(void)
{
	void *(*open)(Lmid_t, const char *, int);
	void *other;

	blocked();
	*(void **)&open = dlsym(RTLD_DEFAULT, "dlmopen");
	other = open ? open(LM_ID_NEWLM, "libc.so.6", RTLD_NOW) : NULL;
	if (!other)
		abort();
	*(void **)&get = dlsym(other, "malloc");
	*(void **)&give = dlsym(other, "free");
	fill();
	fill();
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "plain";
	char byte;

	setvbuf(stdout, NULL, _IONBF, 0);
	portable_begin();
	(void)portable_mallinfo;
	if (strcmp(which, "threads") == 0)
		threads();
	else if (strcmp(which, "blocked") == 0)
		blocked();
	else if (strcmp(which, "copies") == 0)
		copies();
	else
		plain();
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	return read(STDIN_FILENO, &byte, 1) < 0;
}
