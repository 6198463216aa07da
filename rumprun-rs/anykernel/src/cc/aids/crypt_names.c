/*
 * What a libxcrypt built against the GNU C library asks of it and musl has not: two functions
 * with a checked length, and random bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void __explicit_bzero_chk(void *buffer, size_t length, size_t capacity)
{
	if (length > capacity)
		abort();
	explicit_bzero(buffer, length);
}

int __snprintf_chk(char *buffer, size_t length, int flag, size_t capacity, const char *format, ...)
{
	va_list arguments;
	int result;

	(void)flag;
	if (length > capacity)
		abort();
	va_start(arguments, format);
	result = vsnprintf(buffer, length, format, arguments);
	va_end(arguments);
	return result;
}

void arc4random_buf(void *buffer, size_t length)
{
	unsigned char *next = buffer;

	while (length > 0) {
		size_t piece = length < 256 ? length : 256;

		/* 256 bytes or fewer come whole once the source is ready (getrandom(2)). */
		if (getrandom(next, piece, 0) != (ssize_t)piece)
			abort();
		next += piece;
		length -= piece;
	}
}
