/* Fetches pages by HTTP/1.0 and writes their bodies to standard output: fetch ADDRESS PORT PATH... */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How often the server is tried, which may still be starting, and how long each pause is. */
enum { ATTEMPTS = 100, PAUSE_NS = 100000000 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int connected(const struct sockaddr_in *server)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			fail("socket");
		if (connect(fd, (const struct sockaddr *)server, sizeof *server) == 0)
			return fd;
		if (errno != EHOSTUNREACH && errno != ECONNREFUSED && errno != ETIMEDOUT)
			break;
		close(fd);
		nanosleep(&pause, NULL);
	}
	fail("connect");
	return -1;
}

static void fetch(const struct sockaddr_in *server, const char *path)
{
	FILE *stream = fdopen(connected(server), "r+");
	if (!stream)
		fail("fdopen");
	if (fprintf(stream, "GET %s HTTP/1.0\r\n\r\n", path) < 0 || fflush(stream) != 0)
		fail("request");
	char line[1024];
	if (!fgets(line, sizeof line, stream) || !strstr(line, " 200 ")) {
		fprintf(stderr, "%s: %s\n", path, line);
		exit(1);
	}
	while (fgets(line, sizeof line, stream) && strcmp(line, "\r\n") != 0)
		;
	char body[65536];
	for (size_t length; (length = fread(body, 1, sizeof body, stream)) > 0;)
		if (fwrite(body, 1, length, stdout) != length)
			fail("standard output");
	if (ferror(stream))
		fail("body");
	fclose(stream);
}

int main(int count, char **words)
{
	struct sockaddr_in server = { .sin_family = AF_INET };
	if (count < 4 || inet_pton(AF_INET, words[1], &server.sin_addr) != 1)
		return 2;
	server.sin_port = htons(atoi(words[2]));
	for (int index = 3; index < count; index++)
		fetch(&server, words[index]);
	return fflush(stdout) == 0 ? 0 : 1;
}
