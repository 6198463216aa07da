/*
 * httpd - serves a folder of files by HTTP/1.1 (RFC 9112), from one thread with epoll.
 *
 * It is an ordinary POSIX program: the same file runs on Linux and as a unikernel.
 *
 *     httpd [-p PORT] [-r FOLDER]
 *
 * GET and HEAD, persistent and pipelined requests, single byte ranges. It sends no Date and no
 * Last-Modified, so that two servers of the same folder answer the same bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INPUT_SIZE = 4096,   /* the longest request head */
    OUTPUT_SIZE = 4096,  /* a response head, and the whole of a small file */
    EVENTS = 64,
    BACKLOG = 512,
};

/* One client. What it sent and we have not answered is in `input`; what we have answered and not
 * sent is in `output`, then `file_left` bytes of `file` from `file_offset`. */
struct connection {
    int socket;
    int file;
    off_t file_offset;
    off_t file_left;
    bool closing;  /* close once everything has been sent */
    size_t input_length;
    size_t output_start, output_length;
    char input[INPUT_SIZE];
    char output[OUTPUT_SIZE];
};

/* A request head, parsed. */
struct request {
    bool is_head;
    bool keep_alive;
    char path[1024];
    bool has_range;
    off_t range_first;  /* -1: the last `range_last` bytes */
    off_t range_last;   /* -1: to the end */
};

static int root_folder;
static unsigned long requests_served;
static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static const char *content_type(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript"},            {".txt", "text/plain; charset=utf-8"},
        {".svg", "image/svg+xml"},             {".png", "image/png"},
        {".jpg", "image/jpeg"},                {".json", "application/json"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes the path of a request target into `path`, relative to the root folder. False if it is
 * malformed, too long, or leads out of the folder. */
static bool decode_path(const char *target, size_t length, char *path, size_t size)
{
    size_t used = 0;
    if (length == 0 || target[0] != '/')
        return false;
    for (size_t i = 0; i < length && target[i] != '?'; i++) {
        int c = (unsigned char)target[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(target[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(target[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        }
        if (c == 0 || used + 1 >= size)
            return false;
        path[used++] = c;
    }
    path[used] = 0;
    for (const char *dots = path; (dots = strstr(dots, "/..")); dots += 3)
        if (dots[3] == '/' || dots[3] == 0)
            return false;
    return true;
}

/* Reads `Range: bytes=...` (RFC 9110, 14.2). What is not a single range is ignored, as the RFC
 * lets a server do. */
static void parse_range(const char *value, struct request *request)
{
    char *end;
    if (strncasecmp(value, "bytes=", 6) != 0)
        return;
    value += 6;
    request->range_first = -1;
    if (*value != '-') {
        if (*value < '0' || *value > '9')
            return;
        request->range_first = strtoll(value, &end, 10);
        value = end;
    }
    if (*value++ != '-')
        return;
    request->range_last = -1;
    if (*value >= '0' && *value <= '9') {
        request->range_last = strtoll(value, &end, 10);
        value = end;
    } else if (request->range_first < 0) {
        return;
    }
    bool ordered = request->range_first < 0 || request->range_last < 0 ||
                   request->range_first <= request->range_last;
    request->has_range = *value == 0 && ordered;
}

/* Parses a head that ends at `end`; lines are terminated in place. Returns 0, or the status of
 * the refusal. */
static int parse_head(char *head, char *end, struct request *request)
{
    char *line_end = strstr(head, "\r\n");
    char *target = strchr(head, ' ');
    *line_end = 0;
    if (!target || target > line_end)
        return 400;
    *target++ = 0;
    char *version = strchr(target, ' ');
    if (!version || strncmp(version, " HTTP/1.", 8) != 0 || strlen(version) != 9)
        return 400;
    request->keep_alive = version[8] >= '1';
    if (!decode_path(target, version - target, request->path, sizeof request->path))
        return 400;

    bool has_host = false;
    for (char *line = line_end + 2; line < end; line = line_end + 2) {
        line_end = strstr(line, "\r\n");
        *line_end = 0;
        char *value = strchr(line, ':');
        if (!value || value == line)
            return 400;
        *value++ = 0;
        if (strpbrk(line, " \t"))
            return 400;  /* RFC 9112, 5.1: no white space before the colon */
        value += strspn(value, " \t");
        if (strcasecmp(line, "Host") == 0)
            has_host = true;
        else if (strcasecmp(line, "Range") == 0)
            parse_range(value, request);
        else if (strcasecmp(line, "Connection") == 0) {
            if (strcasestr(value, "close"))
                request->keep_alive = false;
            else if (strcasestr(value, "keep-alive"))
                request->keep_alive = true;
        } else if (strcasecmp(line, "Transfer-Encoding") == 0 ||
                   (strcasecmp(line, "Content-Length") == 0 && strcmp(value, "0") != 0)) {
            return 413;  /* no method here has use for a body */
        }
    }
    if (version[8] >= '1' && !has_host)
        return 400;  /* RFC 9112, 3.2 */
    request->is_head = strcmp(head, "HEAD") == 0;
    return request->is_head || strcmp(head, "GET") == 0 ? 0 : 405;
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    default:  return "Internal Server Error";
    }
}

__attribute__((format(printf, 2, 3)))
static void put(struct connection *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(c->output + c->output_length, OUTPUT_SIZE - c->output_length, format,
                           arguments);
    va_end(arguments);
    c->output_length += length;  /* heads are far shorter than the buffer */
}

static void put_status(struct connection *c, int status)
{
    put(c, "HTTP/1.1 %d %s\r\nServer: httpd\r\n", status, reason(status));
    if (c->closing)
        put(c, "Connection: close\r\n");
}

static void answer_error(struct connection *c, int status, bool is_head)
{
    put_status(c, status);
    if (status == 405)
        put(c, "Allow: GET, HEAD\r\n");
    int length = snprintf(NULL, 0, "%d %s\n", status, reason(status));
    put(c, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n", length);
    if (!is_head)
        put(c, "%d %s\n", status, reason(status));
}

/* Opens what the path names: a file, or the index of a folder. */
static int open_file(struct request *request, struct stat *status)
{
    const char *path = request->path + strspn(request->path, "/");
    int file = openat(root_folder, *path ? path : ".", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fstat(file, status) == 0 && S_ISDIR(status->st_mode)) {
        int index = openat(file, "index.html", O_RDONLY | O_CLOEXEC);
        close(file);
        file = index;
        strcpy(request->path, "/index.html");
        if (file >= 0 && fstat(file, status) != 0)
            status->st_mode = 0;
    }
    if (file >= 0 && !S_ISREG(status->st_mode)) {
        close(file);
        return -1;
    }
    return file;
}

static void answer(struct connection *c, struct request *request)
{
    struct stat status;
    int file = open_file(request, &status);
    if (file < 0) {
        answer_error(c, 404, request->is_head);
        return;
    }
    off_t first = 0, end = status.st_size;
    if (request->has_range) {
        if (request->range_first < 0)
            first = request->range_last < end ? end - request->range_last : 0;
        else
            first = request->range_first;
        if (request->range_first >= 0 && request->range_last >= 0 && request->range_last < end)
            end = request->range_last + 1;
        if (first >= end) {
            close(file);
            put_status(c, 416);
            put(c, "Content-Range: bytes */%lld\r\nContent-Length: 0\r\n\r\n",
                (long long)status.st_size);
            return;
        }
    }
    put_status(c, request->has_range ? 206 : 200);
    put(c, "Content-Type: %s\r\nAccept-Ranges: bytes\r\n", content_type(request->path));
    if (request->has_range)
        put(c, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)first, (long long)end - 1,
            (long long)status.st_size);
    put(c, "Content-Length: %lld\r\n\r\n", (long long)(end - first));
    if (request->is_head) {
        close(file);
        return;
    }
    /* A small file goes out with its head, in one piece. */
    size_t room = OUTPUT_SIZE - c->output_length;
    size_t wanted = (off_t)room < end - first ? room : (size_t)(end - first);
    ssize_t got = pread(file, c->output + c->output_length, wanted, first);
    if (got > 0) {
        c->output_length += got;
        first += got;
    }
    if (first < end) {
        c->file = file;
        c->file_offset = first;
        c->file_left = end - first;
    } else {
        close(file);
    }
}

/* Answers the first complete request of the input, if there is one. */
static bool answer_next(struct connection *c)
{
    char *end = memmem(c->input, c->input_length, "\r\n\r\n", 4);
    if (!end) {
        if (c->input_length < INPUT_SIZE)
            return false;
        c->closing = true;
        c->input_length = 0;
        answer_error(c, 431, false);
        return true;
    }
    struct request request = {.range_last = -1};
    size_t length = end + 4 - c->input;
    end[2] = 0;  /* a head is a string of lines */
    int refusal = memchr(c->input, 0, length - 2) ? 400 : parse_head(c->input, end + 2, &request);
    c->closing = (refusal && refusal != 405) || !request.keep_alive;
    if (refusal)
        answer_error(c, refusal, false);
    else
        answer(c, &request);
    requests_served++;
    c->input_length -= length;
    memmove(c->input, c->input + length, c->input_length);
    return true;
}

/* Sends what is to be sent. Returns whether all of it went; -1 if the client is gone. */
static int send_output(struct connection *c)
{
    while (c->output_start < c->output_length) {
        ssize_t sent = send(c->socket, c->output + c->output_start,
                            c->output_length - c->output_start,
                            MSG_NOSIGNAL | (c->file_left ? MSG_MORE : 0));
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        c->output_start += sent;
    }
    c->output_start = c->output_length = 0;
    while (c->file_left > 0) {
        ssize_t sent = sendfile(c->socket, c->file, &c->file_offset, c->file_left);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        if (sent == 0)
            return -1;  /* the file has shrunk: the length promised cannot be kept */
        c->file_left -= sent;
    }
    if (c->file >= 0) {
        close(c->file);
        c->file = -1;
    }
    return 1;
}

/* Reads what came. Returns whether there may be more; -1 if the client is gone. */
static int receive_input(struct connection *c)
{
    if (c->input_length == INPUT_SIZE)
        return 0;
    ssize_t got = recv(c->socket, c->input + c->input_length, INPUT_SIZE - c->input_length, 0);
    if (got < 0)
        return errno == EAGAIN ? 0 : -1;
    if (got == 0)
        return -1;
    c->input_length += got;
    return 1;
}

static void drop(struct connection *c)
{
    if (c->file >= 0)
        close(c->file);
    close(c->socket);  /* which takes it out of the epoll set */
    free(c);
}

/* Goes on with a client until it or the network makes us wait. Readiness is edge-triggered, so
 * both directions are tried until they refuse. */
static void serve(struct connection *c)
{
    for (;;) {
        int sent = send_output(c);
        if (sent < 0 || (sent > 0 && c->closing)) {
            shutdown(c->socket, SHUT_WR);
            drop(c);
            return;
        }
        if (sent == 0)
            return;
        if (answer_next(c))
            continue;
        int received = receive_input(c);
        if (received < 0) {
            drop(c);
            return;
        }
        if (received == 0)
            return;
    }
}

static void accept_all(int epoll, int listener)
{
    int socket;
    while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = malloc(sizeof *c);
        if (!c) {
            close(socket);
            continue;
        }
        c->socket = socket;
        c->file = -1;
        c->file_left = 0;
        c->closing = false;
        c->input_length = c->output_start = c->output_length = 0;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0)
            drop(c);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("httpd: socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        fail("httpd: bind");
    if (listen(listener, BACKLOG) < 0)
        fail("httpd: listen");
    return listener;
}

int main(int argc, char **argv)
{
    int port = 8080, option;
    const char *folder = "/";
    while ((option = getopt(argc, argv, "p:r:")) != -1) {
        if (option == 'p' && atoi(optarg) > 0 && atoi(optarg) < 65536)
            port = atoi(optarg);
        else if (option == 'r')
            folder = optarg;
        else {
            fprintf(stderr, "usage: httpd [-p PORT] [-r FOLDER]\n");
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    struct sigaction stop = {.sa_handler = on_stop};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);

    root_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_folder < 0)
        fail(folder);
    int listener = listen_on(port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("httpd: epoll");
    printf("httpd: serving %s on port %d\n", folder, port);
    fflush(stdout);

    while (!stopping) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            fail("httpd: epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                accept_all(epoll, listener);
        }
    }
    printf("httpd: %lu requests served\n", requests_served);
    return 0;
}
