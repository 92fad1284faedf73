/*
 * The auditor: reads many streams of envelopes, checks the number of every event, and takes the age of each at its receipt.
 *
 * Commands are lines on its standard input, each answered by one line of JSON on its standard output:
 *
 *   open GROUP PORT FILE EACH     open a stream of EACH topics for every request target in the file (one a line); with EACH 0 nothing is read
 *   mark GROUP                    count anew from now on; what each stream has so far stays known
 *   wait GROUP SEQ SECONDS        answer once every stream has event SEQ of each topic that it has, or the time is over
 *   cut GROUP SECONDS             reset all connections at once, come back with Last-Event-ID, and answer once each stream has an event again
 *   close GROUP                   close all streams
 *
 * An event counts with its blank line, as for any reader. Of each stream and topic the events are numbered without a gap: one that is above the
 * last and those merged into it is a loss, one that is not above the last came twice.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GROUPS 16
#define TOPICS 256
#define LINE 4096
#define ID 512
#define BUCKETS 600000 /* of 0.1 ms: a minute */
#define BUCKET_NS 100000
#define REST_NS 500000   /* between two looks; it never waits for bytes: a write that wakes it would do so at the server's expense */
#define ABREAST 200      /* connections being opened at once: fewer than any server's queue */
#define NONE UINT32_MAX

enum state { CLOSED, CONNECTING, HEAD, RAW, CHUNK_SIZE, CHUNK_DATA };

struct event {
    uint32_t topic, seq, merged;
    int64_t sent;
    int named;
};

struct stream {
    struct group *group;
    char *target;
    int fd, answered, awaits_event;
    enum state state;
    size_t chunk_left, line_size;
    struct event event;
    char line[LINE], id[ID], next_id[ID];
    uint32_t seqs[TOPICS];
};

struct group {
    char name[64], *targets;
    int port, count, next, opening, abreast, each, awaited, retries, closed;
    struct stream *streams;
    uint64_t events, merged, lost, doubled, miscounted, named, bytes;
    uint32_t *ages;
    int64_t oldest, cut_at, heads_at, events_at;
};

static struct group groups[GROUPS];
static struct group *waits_for;
static enum { NOTHING, OPEN, SEQ, RETURN } waiting;
static uint32_t wanted_seq;
static int64_t deadline, now;
static int poller;
static char buffer[1 << 18];

static int64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "auditor: %s: %s\n", what, detail);
    exit(1);
}

/* What follows a marker in a line, as a number; `absent` where the marker is not there. */
static int64_t number_after(const char *line, size_t size, const char *marker, int64_t absent)
{
    const char *found = memmem(line, size, marker, strlen(marker));
    return found == NULL ? absent : strtoll(found + strlen(marker), NULL, 10);
}

static void take_event(struct stream *stream)
{
    struct group *group = stream->group;
    struct event *event = &stream->event;
    memcpy(stream->id, stream->next_id, ID);
    if (event->named) {
        group->named++;
    } else if (event->topic != NONE) {
        uint32_t last = stream->seqs[event->topic];
        int64_t age = (now - event->sent) / BUCKET_NS;
        if (last != 0 && event->seq <= last) {
            group->doubled++;
        } else {
            if (last != 0 && event->seq > last + 1 + event->merged)
                group->lost += event->seq - last - 1 - event->merged;
            if (last != 0 && event->seq < last + 1 + event->merged)
                group->miscounted++;
            stream->seqs[event->topic] = event->seq;
        }
        group->events++;
        group->merged += event->merged;
        group->ages[age < 0 ? 0 : age < BUCKETS ? age : BUCKETS - 1]++;
        if (now - event->sent > group->oldest)
            group->oldest = now - event->sent;
        if (stream->awaits_event) {
            stream->awaits_event = 0;
            group->awaited--;
            group->events_at = now;
        }
    }
    event->named = 0;
    event->topic = NONE;
}

static void take_line(struct stream *stream, const char *line, size_t size)
{
    struct event *event = &stream->event;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size == 0) {
        take_event(stream);
    } else if (size > 6 && memcmp(line, "data: ", 6) == 0) {
        int64_t topic = number_after(line, size, "\"subscription_id\":\"ticks:R_", -1);
        if (topic >= 0 && topic < TOPICS) {
            event->topic = topic;
            event->seq = number_after(line, size, "\"seq\":", 0);
            event->merged = number_after(line, size, "\"merged\":", 0);
            event->sent = number_after(line, size, "\"sent_ns\":", 0);
        }
    } else if (size > 4 && size < ID + 4 && memcmp(line, "id: ", 4) == 0) {
        memcpy(stream->next_id, line + 4, size - 4);
        stream->next_id[size - 4] = 0;
    } else if (size > 6 && memcmp(line, "event:", 6) == 0) {
        event->named = memmem(line, size, "message", 7) == NULL;
    }
}

/* Split what came into lines; only one that is cut by the end of what came is copied. */
static void take_body(struct stream *stream, const char *data, size_t size)
{
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t part = end == NULL ? size : (size_t)(end - data);
        if (end == NULL || stream->line_size > 0) {
            if (stream->line_size + part >= LINE)
                fail("a line is too long", stream->target);
            memcpy(stream->line + stream->line_size, data, part);
            stream->line_size += part;
            stream->line[stream->line_size] = 0;
        }
        if (end == NULL)
            return;
        if (stream->line_size > 0)
            take_line(stream, stream->line, stream->line_size);
        else
            take_line(stream, data, part);
        stream->line_size = 0;
        data += part + 1;
        size -= part + 1;
    }
}

/* Take the chunks of HTTP/1.1 apart. Between two of them there is a line break, which is no size. */
static void take_chunks(struct stream *stream, const char *data, size_t size)
{
    while (size > 0) {
        if (stream->state == CHUNK_DATA) {
            size_t part = size < stream->chunk_left ? size : stream->chunk_left;
            take_body(stream, data, part);
            stream->chunk_left -= part;
            data += part;
            size -= part;
            if (stream->chunk_left == 0)
                stream->state = CHUNK_SIZE;
        } else {
            char digit = *data++;
            size--;
            if (digit == '\n' && stream->chunk_left > 0)
                stream->state = CHUNK_DATA;
            else if (digit >= '0' && digit <= '9')
                stream->chunk_left = stream->chunk_left * 16 + digit - '0';
            else if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
                stream->chunk_left = stream->chunk_left * 16 + (digit | 32) - 'a' + 10;
        }
    }
}

static void begin_connecting(struct stream *stream)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(stream->group->port)};
    struct epoll_event interest = {.events = EPOLLOUT, .data.ptr = stream};
    int small = 4096;
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (stream->fd < 0)
        fail("socket", strerror(errno));
    if (!stream->group->each)
        setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(stream->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        fail("connect", strerror(errno));
    stream->state = CONNECTING;
    stream->answered = 0;
    stream->line_size = stream->chunk_left = 0;
    stream->event = (struct event){.topic = NONE};
    stream->group->opening++;
    epoll_ctl(poller, EPOLL_CTL_ADD, stream->fd, &interest);
}

static void ask(struct stream *stream)
{
    char request[LINE + ID + 256], resume[ID + 32] = "";
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = stream};
    if (stream->id[0])
        snprintf(resume, sizeof resume, "Last-Event-ID: %s\r\n", stream->id);
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s\r\n", stream->target, resume);
    if (send(stream->fd, request, size, MSG_NOSIGNAL) == size) {
        stream->state = HEAD;
        epoll_ctl(poller, EPOLL_CTL_MOD, stream->fd, &interest);
    }
}

static void hang_up(struct stream *stream)
{
    close(stream->fd);
    stream->fd = -1;
    if (stream->state == CONNECTING || stream->state == HEAD)
        stream->group->opening--;
    stream->state = CLOSED;
}

static void take_head(struct stream *stream, const char *data, size_t size)
{
    struct group *group = stream->group;
    if (stream->line_size + size >= LINE)
        fail("a head is too long", stream->target);
    memcpy(stream->line + stream->line_size, data, size);
    stream->line_size += size;
    stream->line[stream->line_size] = 0;
    char *end = strstr(stream->line, "\r\n\r\n");
    if (end == NULL)
        return;
    if (strstr(stream->line, " 200 ") != stream->line + 8)
        fail("a stream was refused", stream->line);
    *end = 0;
    stream->state = strcasestr(stream->line, "chunked") ? CHUNK_SIZE : RAW;
    size_t rest = stream->line + stream->line_size - (end + 4);
    char copy[LINE];
    memcpy(copy, end + 4, rest);
    stream->line_size = 0;
    stream->answered = 1;
    group->opening--;
    group->heads_at = now;
    if (!group->each)
        epoll_ctl(poller, EPOLL_CTL_DEL, stream->fd, NULL);
    else if (stream->state == RAW)
        take_body(stream, copy, rest);
    else
        take_chunks(stream, copy, rest);
}

static void take(struct stream *stream)
{
    struct group *group = stream->group;
    /* As much of a head as there is room for: the rest stays for the next time. */
    size_t room = stream->state == HEAD ? LINE - 1 - stream->line_size : sizeof buffer;
    ssize_t size = recv(stream->fd, buffer, room, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        int opening = stream->state == HEAD;
        hang_up(stream);
        if (opening) {
            group->retries++;
            begin_connecting(stream);
        } else {
            group->closed++;
        }
        return;
    }
    group->bytes += size;
    now = clock_ns();
    if (stream->state == HEAD)
        take_head(stream, buffer, size);
    else if (stream->state == RAW)
        take_body(stream, buffer, size);
    else
        take_chunks(stream, buffer, size);
}

/* How many events of their topics the streams have still to get up to a number: all of them where a topic has never come. */
static uint64_t behind(struct group *group, uint32_t seq)
{
    uint64_t missing = 0, pairs = 0;
    for (int i = 0; i < group->count; i++)
        for (int topic = 0; topic < TOPICS; topic++) {
            uint32_t last = group->streams[i].seqs[topic];
            pairs += last > 0;
            if (last > 0 && last < seq)
                missing += seq - last;
        }
    return missing + ((uint64_t)group->count * group->each - pairs) * seq;
}

static double quantile(struct group *group, double share)
{
    uint64_t rank = share * group->events, seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += group->ages[bucket]) > rank)
            return (bucket + 1) * (BUCKET_NS / 1e6);
    return 0;
}

static void answer(struct group *group)
{
    printf("{\"streams\": %d, \"events\": %lu, \"merged\": %lu, \"lost\": %lu, \"doubled\": %lu, \"miscounted\": %lu, "
           "\"behind\": %lu, \"named\": %lu, \"bytes\": %lu, \"closed\": %d, \"retries\": %d, \"p50_ms\": %.1f, \"p99_ms\": %.1f, "
           "\"p999_ms\": %.1f, \"max_ms\": %.1f, \"heads_seconds\": %.3f, \"live_seconds\": %.3f, \"not_live\": %d}\n",
           group->count, group->events, group->merged, group->lost, group->doubled, group->miscounted, behind(group, wanted_seq), group->named, group->bytes,
           group->closed, group->retries, quantile(group, 0.5), quantile(group, 0.99), quantile(group, 0.999), group->oldest / 1e6,
           (group->heads_at - group->cut_at) / 1e9, (group->events_at - group->cut_at) / 1e9, group->awaited);
    fflush(stdout);
}

static struct group *find(const char *name)
{
    for (int i = 0; i < GROUPS; i++)
        if (groups[i].streams != NULL && strcmp(groups[i].name, name) == 0)
            return &groups[i];
    fail("no such group", name);
    return NULL;
}

static void mark(struct group *group)
{
    group->events = group->merged = group->lost = group->doubled = group->miscounted = group->named = group->bytes = 0;
    group->closed = group->retries = 0;
    group->oldest = 0;
    memset(group->ages, 0, BUCKETS * sizeof *group->ages);
}

static void open_group(const char *name, int port, const char *path, int each)
{
    struct group *group = groups;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path, strerror(errno));
    while (group < groups + GROUPS && group->streams != NULL)
        group++;
    if (group == groups + GROUPS)
        fail("too many groups", name);
    *group = (struct group){.port = port, .each = each, .abreast = ABREAST, .ages = calloc(BUCKETS, sizeof *group->ages)};
    snprintf(group->name, sizeof group->name, "%s", name);
    size_t size = 0;
    if (getdelim(&group->targets, &size, 0, file) <= 0)
        fail(path, "is empty");
    fclose(file);
    for (char *at = group->targets; (at = strchr(at, '\n')) != NULL; at++)
        group->count++;
    group->streams = calloc(group->count, sizeof *group->streams);
    char *at = group->targets;
    for (int i = 0; i < group->count; i++) {
        group->streams[i].group = group;
        group->streams[i].fd = -1;
        group->streams[i].target = at;
        at = strchr(at, '\n');
        *at++ = 0;
    }
    waits_for = group;
    waiting = OPEN;
    wanted_seq = 0;
}

static void close_group(struct group *group)
{
    for (int i = 0; i < group->count; i++)
        if (group->streams[i].fd >= 0)
            hang_up(&group->streams[i]);
    free(group->streams);
    free(group->targets);
    free(group->ages);
    group->streams = NULL;
}

static void cut(struct group *group, double seconds)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < group->count; i++) {
        struct stream *stream = &group->streams[i];
        if (stream->fd >= 0) {
            setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            hang_up(stream);
        }
        stream->awaits_event = 1;
    }
    group->awaited = group->count;
    group->next = 0;
    group->abreast = group->count;
    group->cut_at = group->heads_at = group->events_at = clock_ns();
    deadline = group->cut_at + seconds * 1e9;
    waits_for = group;
    waiting = RETURN;
}

/* False at the end of the commands. */
static int obey(void)
{
    char line[LINE], name[64], path[LINE];
    int port, each;
    double seconds;
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    if (sscanf(line, "open %63s %d %4000s %d", name, &port, path, &each) == 4) {
        open_group(name, port, path, each);
    } else if (sscanf(line, "wait %63s %u %lf", name, &wanted_seq, &seconds) == 3) {
        waits_for = find(name);
        waiting = SEQ;
        deadline = clock_ns() + seconds * 1e9;
    } else if (sscanf(line, "mark %63s", name) == 1) {
        answer(find(name));
        mark(find(name));
    } else if (sscanf(line, "cut %63s %lf", name, &seconds) == 2) {
        cut(find(name), seconds);
    } else if (sscanf(line, "close %63s", name) == 1) {
        close_group(find(name));
        puts("{}");
        fflush(stdout);
    } else {
        fail("unknown command", line);
    }
    return 1;
}

static void answer_if_due(void)
{
    struct group *group = waits_for;
    int due = 0;
    if (waiting == OPEN)
        due = group->next == group->count && group->opening == 0;
    else if (waiting == SEQ)
        due = clock_ns() > deadline || behind(group, wanted_seq) == 0;
    else if (waiting == RETURN)
        due = clock_ns() > deadline || group->awaited == 0;
    if (due) {
        waiting = NOTHING;
        answer(group);
    }
}

int main(void)
{
    static struct epoll_event ready[4096];
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    struct timespec rest = {.tv_nsec = REST_NS};
    poller = epoll_create1(0);
    setvbuf(stdin, NULL, _IONBF, 0);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &commands);
    for (;;) {
        for (int i = 0; i < GROUPS; i++)
            while (groups[i].streams != NULL && groups[i].next < groups[i].count && groups[i].opening < groups[i].abreast)
                begin_connecting(&groups[i].streams[groups[i].next++]);
        int count = epoll_wait(poller, ready, 4096, 0);
        int command = 0;
        for (int i = 0; i < count; i++) {
            struct stream *stream = ready[i].data.ptr;
            if (stream == NULL)
                command = 1;
            else if (stream->state == CONNECTING)
                ask(stream);
            else
                take(stream);
        }
        /* After what was ready has been taken, as a command may close it. */
        if (command && !obey())
            return 0;
        answer_if_due();
        if (count < 4096)
            nanosleep(&rest, NULL);
    }
}
