/*
 * guest_init - the first process of the Linux guest that images are measured against.
 *
 *     guest_init PROGRAM [ARGUMENT]...        (as the kernel starts it, from its command line)
 *
 * It loads the drivers in /modules in the order of their names, brings the network up at the
 * address in GUEST_ADDRESS (ADDRESS/LENGTH) if that is set, and runs the program. What the program
 * writes and its exit status leave by the debug ports by which an image's do, so `anykernel run`
 * cannot tell the two apart. The ports' numbers come from the compiler's command line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status that a shell gives to a program that it cannot run. */
enum { CANNOT_RUN = 126 };

static void write_port(int port, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        outb(bytes[i], port);
}

/* Writing the status ends the machine. */
static _Noreturn void end(int status)
{
    outb(status, EXIT_STATUS);
    for (;;)
        pause();
}

static _Noreturn void fail(const char *what)
{
    char line[256];
    int length = snprintf(line, sizeof line, "guest_init: %s: %s\n", what, strerror(errno));
    write_port(STANDARD_ERROR, line, length);
    end(CANNOT_RUN);
}

static void mount_at(const char *type, const char *path)
{
    mkdir(path, 0755);
    if (mount(type, path, type, 0, NULL) < 0)
        fail(path);
}

static void load_modules(void)
{
    struct dirent **entries;
    int count = scandir("/modules", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char path[512];
        if (name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/modules/%s", name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0 || syscall(SYS_finit_module, file, "", 0) < 0)
            fail(path);
        close(file);
    }
}

static void configure(int any, const char *name, const char *address, const char *mask)
{
    struct ifreq request = {0};
    struct sockaddr_in *place = (struct sockaddr_in *)&request.ifr_addr;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    place->sin_family = AF_INET;
    if (inet_pton(AF_INET, address, &place->sin_addr) != 1 ||
        ioctl(any, SIOCSIFADDR, &request) < 0)
        fail(name);
    inet_pton(AF_INET, mask, &place->sin_addr);
    if (ioctl(any, SIOCSIFNETMASK, &request) < 0)
        fail(name);
    request.ifr_flags = IFF_UP;
    if (ioctl(any, SIOCSIFFLAGS, &request) < 0)
        fail(name);
}

static void start_network(char *address)
{
    char mask[INET_ADDRSTRLEN];
    char *length = strchr(address, '/');
    if (!length) {
        errno = EINVAL;
        fail("GUEST_ADDRESS");
    }
    *length++ = 0;
    struct in_addr bits = {htonl(~(0xffffffffULL >> atoi(length)))};
    inet_ntop(AF_INET, &bits, mask, sizeof mask);
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    configure(any, "lo", "127.0.0.1", "255.0.0.0");
    configure(any, "eth0", address, mask);
    close(any);
}

/* Starts the program, and returns the reading ends of its standard output and error. */
static pid_t start(char **arguments, int ends[2])
{
    int output[2], error[2];
    if (pipe2(output, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0)
        fail("pipe2");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        dup2(output[1], 1);
        dup2(error[1], 2);
        execv(arguments[0], arguments);
        fail(arguments[0]);
    }
    close(output[1]);
    close(error[1]);
    ends[0] = output[0];
    ends[1] = error[0];
    return child;
}

/* Copies the program's output to the ports until it has closed both. */
static void copy_output(const int ends[2])
{
    static const int ports[2] = {STANDARD_OUTPUT, STANDARD_ERROR};
    struct pollfd waits[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
    while (waits[0].fd >= 0 || waits[1].fd >= 0) {
        poll(waits, 2, -1);
        for (int i = 0; i < 2; i++) {
            char bytes[4096];
            if (waits[i].fd < 0 || !waits[i].revents)
                continue;
            ssize_t length = read(waits[i].fd, bytes, sizeof bytes);
            if (length > 0)
                write_port(ports[i], bytes, length);
            else
                waits[i].fd = -1;
        }
    }
}

int main(int argc, char **argv)
{
    int ends[2], status;
    if (ioperm(STANDARD_OUTPUT, 1, 1) < 0 || ioperm(STANDARD_ERROR, 1, 1) < 0 ||
        ioperm(EXIT_STATUS, 1, 1) < 0)
        return CANNOT_RUN;
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    mount_at("devtmpfs", "/dev");
    load_modules();
    if (getenv("GUEST_ADDRESS"))
        start_network(getenv("GUEST_ADDRESS"));
    if (argc < 2) {
        errno = EINVAL;
        fail("no program");
    }
    pid_t child = start(argv + 1, ends);
    copy_output(ends);
    if (waitpid(child, &status, 0) < 0)
        fail("waitpid");
    end(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
