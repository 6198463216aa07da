/* Several buffers in one call, empty ones among them, on every kind of descriptor. */
#include "report.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

static struct iovec part(void *bytes, size_t length)
{
    return (struct iovec){bytes, length};
}

/* One text in five parts, of which two are empty. */
static void write_parts(int descriptor)
{
    struct iovec parts[] = {part("", 0), part("one ", 4), part("two ", 4), part(NULL, 0),
                            part("three", 5)};
    REPORT(writev(descriptor, parts, COUNT(parts)));
}

/* Reads into five parts, of which two are empty, and shows what came into each. */
static void read_parts(int descriptor)
{
    char first[3] = "", second[5] = "", third[9] = "";
    struct iovec parts[] = {part(NULL, 0), part(first, 2), part(second, 4), part(NULL, 0),
                            part(third, 8)};
    REPORT(readv(descriptor, parts, COUNT(parts)));
    printf("[%s] [%s] [%s]\n", first, second, third);
}

/* What holds whatever the descriptor is: nothing to do is done, too much is refused. */
static void check_limits(int descriptor)
{
    static struct iovec many[1025];
    struct iovec beyond[] = {part("x", 1), part((void *)8, 1)};
    struct iovec lengths[] = {part("x", 1), part("y", SIZE_MAX)};
    REPORT(writev(descriptor, many, 0));
    REPORT(writev(descriptor, many, 1025));
    REPORT(writev(descriptor, lengths, COUNT(lengths)));
    REPORT(writev(descriptor, (void *)8, 1));
    REPORT(writev(descriptor, &beyond[1], 1));
}

static void files(void)
{
    printf("file of the root folder\n");
    int page = open("page", O_RDONLY);
    read_parts(page);
    read_parts(page);
    write_parts(page);

    printf("file in memory\n");
    chdir(getenv("TMPDIR"));
    int file = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
    write_parts(file);
    check_limits(file);
    REPORT(lseek(file, 0, SEEK_SET));
    read_parts(file);
    read_parts(file);

    printf("directory\n");
    int directory = open(".", O_RDONLY);
    read_parts(directory);
    write_parts(directory);
}

static void devices(void)
{
    const char *names[] = {"/dev/null", "/dev/zero", "/dev/full"};
    for (int index = 0; index < COUNT(names); index++) {
        printf("%s\n", names[index]);
        int device = open(names[index], O_RDWR);
        write_parts(device);
        read_parts(device);
        close(device);
    }
    printf("/dev/urandom\n");
    char bytes[64] = "";
    struct iovec parts[] = {part(bytes, 32), part(NULL, 0), part(bytes + 32, 32)};
    REPORT(readv(open("/dev/urandom", O_RDONLY), parts, COUNT(parts)));
    HOLDS(memcmp(bytes, bytes + 32, 32) != 0);
}

static void pipes_and_sockets(void)
{
    int ends[2];
    printf("pipe\n");
    REPORT(pipe(ends));
    write_parts(ends[1]);
    check_limits(ends[1]);
    read_parts(ends[0]);
    write_parts(ends[0]);
    close(ends[1]);
    read_parts(ends[0]);
    read_parts(ends[0]);

    printf("local socket\n");
    REPORT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    write_parts(ends[0]);
    check_limits(ends[0]);
    read_parts(ends[1]);
    write_parts(ends[1]);
    read_parts(ends[0]);
    close(ends[0]);
    read_parts(ends[1]);
}

static void network(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;

    printf("UDP\n");
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    REPORT(bind(receiver, (void *)&here, sizeof here));
    REPORT(getsockname(receiver, (void *)&here, &length));
    REPORT(connect(sender, (void *)&here, sizeof here));
    write_parts(sender);
    write_parts(sender);
    check_limits(sender);
    /* Each datagram by itself; one that does not fit is cut. */
    read_parts(receiver);
    char small[4] = "";
    struct iovec parts[] = {part(small, 1), part(NULL, 0), part(small + 1, 2)};
    REPORT(readv(receiver, parts, COUNT(parts)));
    printf("[%s]\n", small);

    printf("TCP\n");
    here.sin_port = 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    REPORT(bind(listener, (void *)&here, sizeof here));
    REPORT(listen(listener, 1));
    REPORT(getsockname(listener, (void *)&here, &length));
    REPORT(connect(client, (void *)&here, sizeof here));
    int server = accept(listener, NULL, NULL);
    write_parts(client);
    check_limits(client);
    read_parts(server);
    write_parts(server);
    read_parts(client);
    close(client);
    read_parts(server);
    write_parts(listener);
    read_parts(listener);
}

/* Eventfd and timerfd give and take whole numbers. */
static void numbers(void)
{
    printf("eventfd\n");
    int event = eventfd(0, EFD_NONBLOCK);
    uint64_t first = 3, second = 4, read = 0, rest = 0;
    struct iovec one[] = {part(&first, 8)};
    struct iovec two[] = {part(&first, 8), part(&second, 8)};
    struct iovec halves[] = {part(&first, 4), part((char *)&first + 4, 4)};
    struct iovec into[] = {part(&read, 8), part(&rest, 8)};
    REPORT(writev(event, one, 1));
    REPORT(writev(event, two, 2));
    REPORT(readv(event, into, 2));
    printf("%d %d\n", (int)read, (int)rest);
    REPORT(readv(event, into, 2));
    REPORT(readv(event, halves, 1));

    printf("timerfd\n");
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    REPORT(timerfd_settime(timer, 0, &soon, NULL));
    read = 0;
    REPORT(readv(timer, into, 1));
    printf("%d\n", (int)read);
    REPORT(readv(timer, halves, 1));
    REPORT(writev(timer, one, 1));

    printf("epoll\n");
    int epoll = epoll_create1(0);
    REPORT(readv(epoll, into, 2));
    REPORT(writev(epoll, one, 1));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    printf("console\n");
    fflush(stdout);
    write_parts(STDOUT_FILENO);
    write_parts(STDERR_FILENO);
    fflush(stdout);
    check_limits(STDOUT_FILENO);
    fflush(stdout);
    /* What was typed at once may come in pieces: once some is there, the rest is given time. */
    poll(&(struct pollfd){STDIN_FILENO, POLLIN, 0}, 1, -1);
    usleep(200000);
    read_parts(STDIN_FILENO);
    read_parts(STDIN_FILENO);
    read_parts(STDIN_FILENO);
    files();
    devices();
    pipes_and_sockets();
    network();
    numbers();
}
