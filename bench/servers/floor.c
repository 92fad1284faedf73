/*
 * The floor: a server that accepts streams and does nothing but send() the same bytes to each of them.
 *
 * usage: floor PAYLOAD... - each payload is a file with the bytes of one flush. It says on its standard output which port it listens on, takes
 * lines "PAYLOAD FLUSHES" on its standard input (the payload's number from 0, and how often to send it), and answers "done".
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STREAMS 65536
#define MAX_PAYLOADS 8

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

static int streams[MAX_STREAMS], count;
static char *payloads[MAX_PAYLOADS];
static size_t sizes[MAX_PAYLOADS];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void load(int number, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path);
    payloads[number] = malloc(1 << 20);
    sizes[number] = fread(payloads[number], 1, 1 << 20, file);
    fclose(file);
}

/* The sockets block, so whatever send() takes less than all of is a full buffer, waited for. */
static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0)
            return;
        data += sent;
        size -= sent;
    }
}

static void admit(int listener)
{
    char request[4096];
    size_t have = 0;
    int one = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0 || count == MAX_STREAMS)
        fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    do {
        ssize_t size = recv(fd, request + have, sizeof request - 1 - have, 0);
        if (size <= 0) {
            close(fd);
            return;
        }
        have += size;
        request[have] = 0;
    } while (strstr(request, "\r\n\r\n") == NULL);
    send_all(fd, HEAD, sizeof HEAD - 1);
    streams[count++] = fd;
}

static void publish(const char *data, size_t size, long flushes)
{
    while (flushes-- > 0)
        for (int i = 0; i < count; i++)
            send_all(streams[i], data, size);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char line[256];
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    for (int i = 1; i < argc && i <= MAX_PAYLOADS; i++)
        load(i - 1, argv[i]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 2048) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct pollfd ready[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(ready, 2, -1) >= 0) {
        if (ready[0].revents)
            admit(listener);
        if (ready[1].revents) {
            long payload, flushes;
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
            if (sscanf(line, "%ld %ld", &payload, &flushes) != 2 || payload < 0 || payload >= argc - 1)
                fail(line);
            publish(payloads[payload], sizes[payload], flushes);
            puts("done");
            fflush(stdout);
        }
    }
    return 1;
}
