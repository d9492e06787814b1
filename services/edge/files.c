/* Static files: the web client. Read whole (they are small), answered with an ETag made of size and
 * time of change, so that a browser that has them asks and gets 304. */
#include "edge.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  16777216
#define PATH_SIZE 1024

static const struct {
    const char *extension;
    const char *content_type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".map", "application/json"},
    {".mp3", "audio/mpeg"},
    {".wasm", "application/wasm"},
};

static bool has_suffix(struct span text, const char *suffix)
{
    size_t len = strlen(suffix);
    return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

static const char *type_of(struct span path)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (has_suffix(path, types[i].extension))
            return types[i].content_type;
    return "application/octet-stream";
}

static void refuse(struct ws_response *response, unsigned status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    buf_append_cstr(&response->body, text);
}

/* No segment may be empty or begin with a dot (that also covers "." and "..") and no byte may be
 * one that names nothing here: the path stays below the root, and a redirect on this host, whatever
 * the client writes. */
static bool is_safe(struct span path)
{
    if (path.len == 0 || path.data[0] != '/' || memchr(path.data, '\\', path.len) ||
        memchr(path.data, '\0', path.len))
        return false;
    for (size_t i = 0; i + 1 < path.len; i++)
        if (path.data[i] == '/' && (path.data[i + 1] == '.' || path.data[i + 1] == '/'))
            return false;
    return true;
}

/* The file's name below the root: "/" and "/book/" mean their index.html. */
static int file_name(struct span path, char out[PATH_SIZE])
{
    struct span rest = path;
    while (rest.len > 0 && rest.data[0] == '/')
        rest = span_from(rest, 1);
    bool is_folder = path.data[path.len - 1] == '/';
    int len = snprintf(out, PATH_SIZE, "%.*s%s", SPAN_ARG(rest), is_folder ? "index.html" : "");
    return len > 0 && len < PATH_SIZE ? 0 : -1;
}

static int read_whole(int fd, size_t size, struct buf *out)
{
    char *at = buf_reserve(out, size);
    while (out->len < size) {
        ssize_t got = read(fd, at + out->len, size - out->len);
        if (got <= 0)
            return -1;
        out->len += (size_t)got;
    }
    return 0;
}

static void answer_file(int fd, const struct stat *st, const struct ws_request *request,
                        struct ws_response *response)
{
    (void)snprintf(response->etag, sizeof(response->etag), "\"%llx-%llx\"",
                   (unsigned long long)st->st_size,
                   (unsigned long long)st->st_mtim.tv_sec * 1000000000ull +
                       (unsigned long long)st->st_mtim.tv_nsec);
    if (span_is(request->if_none_match, response->etag)) {
        response->status = 304;
        return;
    }
    if (read_whole(fd, (size_t)st->st_size, &response->body) < 0) {
        LOG_WARN("file-unreadable", "path=%.*s", SPAN_ARG(request->path));
        buf_reset(&response->body);
        response->etag[0] = '\0';
        refuse(response, 503, "The file cannot be read now.\n");
    }
}

static void answer_folder(const struct ws_request *request, struct ws_response *response)
{
    int len =
        snprintf(response->location, sizeof(response->location), "%.*s/", SPAN_ARG(request->path));
    if (len < 0 || (size_t)len >= sizeof(response->location)) {
        response->location[0] = '\0';
        refuse(response, 404, "Not found.\n");
        return;
    }
    refuse(response, 301, "Moved.\n");
}

void files_answer(int root_fd, const struct ws_request *request, struct ws_response *response)
{
    char name[PATH_SIZE];
    struct stat st;
    int fd = -1;
    if (root_fd >= 0 && is_safe(request->path) && file_name(request->path, name) == 0)
        fd = openat(root_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_there = fd >= 0 && fstat(fd, &st) == 0;
    if (is_there && S_ISDIR(st.st_mode)) {
        answer_folder(request, response);
    } else if (is_there && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
        response->content_type = type_of(span_cstr(name));
        answer_file(fd, &st, request, response);
    } else {
        refuse(response, 404, "Not found.\n");
    }
    if (fd >= 0)
        (void)close(fd);
}
