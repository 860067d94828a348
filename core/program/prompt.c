/* The line editor behind the prompt; see prompt.h.
 *
 * Lua sees one object with these methods:
 *   editor:read(prompt)      a line, and whether a paste goes on behind it; or nil and "end" or "signal"
 *   editor:remember(text)    adds to the history, in memory and on disk
 *   editor:terminal()        whether a person is at the other end; else lines come from a pipe, without a prompt
 *   editor:take_signal()     the number of the signal that arrived, or nil
 *   editor:glob(pattern)     file names
 * Keys are read here and not by libedit, for three reasons: a signal must end the line, a terminal that was
 * stopped or resized must be redrawn, and pasted text must not run line by line.
 */
#define _GNU_SOURCE
#include "program/prompt.h"

#include "base/interrupt.h"
#include "program/script.h"

#include <errno.h>
#include <glob.h>
#include <histedit.h>
#include <lauxlib.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_SIZE = 5000, POLL_MS = 100, ESCAPE_MS = 50, KEY_END = -1, KEY_SIGNAL = -2, KEY_LATE = -3 };
enum { CTRL_V = 'V' - '@', ESCAPE = 27 };

static const char *const editor_type = "effv2.editor";

typedef struct editor {
    lua_State *L;
    EditLine *line; /* NULL when standard input or output is not a terminal */
    History *history;
    char history_file[PATH_MAX];
    const char *prompt;
    unsigned char waiting[8]; /* bytes that were read ahead to recognise a paste */
    int waiting_count;
    int marks_pastes; /* whether the terminal is asked to mark pasted text */
    int pasting;
    wchar_t quoted; /* the character to deliver behind a CTRL_V, or 0 */
    char *buffer;   /* of getline */
    size_t buffer_size;
} editor;

static volatile sig_atomic_t redraw; /* set by SIGCONT and SIGWINCH */

static void on_redraw(int number)
{
    (void)number;
    redraw = 1;
}

static char *prompt_text(EditLine *line)
{
    editor *self;
    el_get(line, EL_CLIENTDATA, &self);
    return (char *)self->prompt; /* libedit's type; it only reads it */
}

/* ---- keys ---------------------------------------------------------------------------------------- */

static void draw_again(editor *self)
{
    redraw = 0;
    el_resize(self->line);
    el_set(self->line, EL_PREP_TERM, 0); /* the shell may have changed the terminal meanwhile */
    el_set(self->line, EL_PREP_TERM, 1);
    el_set(self->line, EL_REFRESH);
}

/* The next byte, or one of KEY_...; wait_ms < 0 waits for ever. */
static int next_byte(editor *self, int wait_ms)
{
    if (self->waiting_count) {
        int first = self->waiting[0];
        memmove(self->waiting, self->waiting + 1, (size_t)--self->waiting_count);
        return first;
    }
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        unsigned char byte;
        if (eff_interrupt_pending()) return KEY_SIGNAL;
        if (redraw) draw_again(self);
        int ready = poll(&input, 1, wait_ms < 0 ? POLL_MS : wait_ms);
        if (ready > 0) {
            ssize_t got = read(STDIN_FILENO, &byte, 1);
            if (got == 1) return byte;
            if (got == 0 || errno != EINTR) return KEY_END;
        } else if (ready == 0 && wait_ms >= 0) {
            return KEY_LATE;
        }
    }
}

static void ask_for_marks(const editor *self, int on)
{
    if (!self->marks_pastes) return;
    fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

/* Behind an escape: takes the rest of the mark that begins or ends a paste. Other bytes wait for their turn. */
static int take_paste_mark(editor *self)
{
    static const char mark[] = "[200~"; /* the end is [201~ */
    unsigned char seen[sizeof mark];
    int count = 0, last = 0;
    while (count < (int)sizeof mark - 1) {
        int byte = next_byte(self, ESCAPE_MS);
        if (byte < 0) break;
        seen[count++] = (unsigned char)byte;
        if (count == 4) last = byte;
        if (byte != mark[count - 1] && !(count == 4 && byte == '1')) break;
    }
    if (count == sizeof mark - 1 && seen[count - 1] == '~') {
        self->pasting = last == '0';
        return 1;
    }
    memcpy(self->waiting, seen, (size_t)count);
    self->waiting_count = count;
    return 0;
}

/* Completes a UTF-8 character that begins with `byte`. */
static int decode(editor *self, int byte, wchar_t *character)
{
    mbstate_t state = {0};
    for (int i = 0; i < 4 && byte >= 0; i++) {
        char one = (char)byte;
        size_t result = mbrtowc(character, &one, 1, &state);
        if (result <= 1) return 1;
        if (result != (size_t)-2) break;
        byte = next_byte(self, ESCAPE_MS);
    }
    *character = L'?';
    return 1;
}

/* libedit's source of keys: 1 and a character, 0 at the end, -1 on a signal. */
static int read_key(EditLine *line, wchar_t *character)
{
    editor *self;
    el_get(line, EL_CLIENTDATA, &self);
    if (self->quoted) {
        *character = self->quoted;
        self->quoted = 0;
        return 1;
    }
    for (;;) {
        int byte = next_byte(self, -1);
        if (byte < 0) return byte == KEY_END ? 0 : -1;
        if (byte == ESCAPE && !self->waiting_count && take_paste_mark(self)) continue;
        if (!self->pasting || byte >= ' ') return decode(self, byte, character);
        if (byte == '\r' || byte == '\n') {
            *character = L'\n';
            return 1;
        }
        if (byte == '\t') { /* not a wish for completion */
            self->quoted = L'\t';
            *character = CTRL_V;
            return 1;
        }
    }
}

/* ---- completion ---------------------------------------------------------------------------------- */

/* Asks repl.complete(text before the cursor), which returns what to insert and what to show. */
static unsigned char complete(EditLine *line, int key)
{
    (void)key;
    editor *self;
    el_get(line, EL_CLIENTDATA, &self);
    lua_State *L = self->L;
    const LineInfo *now = el_line(line);
    unsigned char result = CC_REFRESH_BEEP;
    int top = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "effv2.complete");
    lua_pushlstring(L, now->buffer, (size_t)(now->cursor - now->buffer));
    if (lua_pcall(L, 1, 2, 0) == 0) {
        if (lua_isstring(L, -2) && el_insertstr(line, lua_tostring(L, -2)) == 0) result = CC_REFRESH;
        if (lua_isstring(L, -1)) {
            fprintf(stdout, "\n%s\n", lua_tostring(L, -1));
            fflush(stdout);
            result = CC_REDISPLAY;
        }
    }
    lua_settop(L, top);
    return result;
}

static unsigned char insert_newline(EditLine *line, int key)
{
    (void)key;
    return el_insertstr(line, "\n") == 0 ? CC_REFRESH : CC_ERROR;
}

/* ---- history ------------------------------------------------------------------------------------- */

/* Makes the folders above the file. What fails here shows when the file is opened. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void load_history(editor *self)
{
    HistEvent event;
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    history(self->history, &event, H_SETSIZE, HISTORY_SIZE);
    if (state && state[0] == '/') {
        snprintf(self->history_file, sizeof self->history_file, "%s/effv2/history", state);
    } else if (home && home[0] == '/') {
        snprintf(self->history_file, sizeof self->history_file, "%s/.local/state/effv2/history", home);
    } else {
        return;
    }
    make_folders(self->history_file);
    int lines = history(self->history, &event, H_LOAD, self->history_file);
    if (lines > 2 * HISTORY_SIZE) history(self->history, &event, H_SAVE, self->history_file);
}

/* Appends the newest entry, so that two sessions do not overwrite each other's. A history that cannot be
 * written is no reason to disturb the user. */
static void append_history(editor *self)
{
    HistEvent event;
    mode_t mask = umask(0077);
    FILE *file = self->history_file[0] ? fopen(self->history_file, "a") : NULL;
    umask(mask);
    if (!file) return;
    fchmod(fileno(file), 0600);
    fseek(file, 0, SEEK_END); /* libedit writes its first line only into an empty file */
    history(self->history, &event, H_NSAVE_FP, (size_t)0, file);
    fclose(file);
}

/* ---- the Lua object ------------------------------------------------------------------------------ */

static editor *check_editor(lua_State *L) { return luaL_checkudata(L, 1, editor_type); }

/* Pushes what read() returns for a line, without its newline. */
static int push_line(lua_State *L, const editor *self, const char *text, size_t length)
{
    if (length && text[length - 1] == '\n') length--;
    lua_pushlstring(L, text, length);
    lua_pushboolean(L, self->pasting);
    return 2;
}

static int editor_read(lua_State *L)
{
    editor *self = check_editor(L);
    self->prompt = luaL_checkstring(L, 2);
    if (!self->line) {
        ssize_t got = getline(&self->buffer, &self->buffer_size, stdin);
        if (got >= 0) return push_line(L, self, self->buffer, (size_t)got);
    } else {
        int count = 0;
        ask_for_marks(self, 1);
        el_resize(self->line);
        const char *text = el_gets(self->line, &count);
        ask_for_marks(self, 0);
        if (text && count > 0) return push_line(L, self, text, (size_t)count);
        self->pasting = self->waiting_count = 0;
    }
    lua_pushnil(L);
    lua_pushstring(L, eff_interrupt_pending() ? "signal" : "end");
    return 2;
}

static int editor_remember(lua_State *L)
{
    editor *self = check_editor(L);
    const char *text = luaL_checkstring(L, 2);
    HistEvent event;
    if (!self->line) return 0;
    if (history(self->history, &event, H_FIRST) == 0 && strcmp(event.str, text) == 0) return 0;
    history(self->history, &event, H_ENTER, text);
    append_history(self);
    return 0;
}

static int editor_terminal(lua_State *L)
{
    lua_pushboolean(L, check_editor(L)->line != NULL);
    return 1;
}

static int editor_take_signal(lua_State *L)
{
    int signal_number = eff_interrupt_take();
    if (!signal_number) return 0;
    lua_pushinteger(L, signal_number);
    return 1;
}

static int editor_glob(lua_State *L)
{
    glob_t found = {0};
    int status = glob(luaL_checkstring(L, 2), GLOB_MARK | GLOB_TILDE, NULL, &found);
    lua_newtable(L);
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
        lua_pushstring(L, found.gl_pathv[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    globfree(&found);
    return 1;
}

static int editor_collect(lua_State *L)
{
    editor *self = lua_touserdata(L, 1);
    if (self->line) el_end(self->line);
    if (self->history) history_end(self->history);
    free(self->buffer);
    *self = (editor){0};
    return 0;
}

static const luaL_Reg methods[] = {
    {"read", editor_read},         {"remember", editor_remember},
    {"terminal", editor_terminal}, {"take_signal", editor_take_signal},
    {"glob", editor_glob},         {NULL, NULL},
};

static void bind_keys(EditLine *line)
{
    el_set(line, EL_EDITOR, "emacs");
    /* the narrow el_set would copy these names and never free them */
    el_wset(line, EL_ADDFN, L"effv2-complete", L"Complete the name before the cursor", complete);
    el_wset(line, EL_ADDFN, L"effv2-newline", L"Insert a newline", insert_newline);
    el_set(line, EL_BIND, "^I", "effv2-complete", NULL);
    el_set(line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(line, EL_BIND, "\\e\\n", "effv2-newline", NULL);
    el_set(line, EL_BIND, "\\e\\r", "effv2-newline", NULL);
    el_set(line, EL_BIND, "\\e[A", "ed-search-prev-history", NULL);
    el_set(line, EL_BIND, "\\e[B", "ed-search-next-history", NULL);
    el_source(line, NULL); /* ~/.editrc */
}

/* Pushes the editor. */
static void push_editor(lua_State *L)
{
    editor *self = lua_newuserdata(L, sizeof *self);
    *self = (editor){.L = L, .prompt = ""};
    luaL_newmetatable(L, editor_type);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, editor_collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return;
    self->history = history_init();
    self->line = el_init("effv2", stdin, stdout, stderr);
    if (!self->line || !self->history) luaL_error(L, "the line editor does not start");
    el_set(self->line, EL_CLIENTDATA, self);
    el_set(self->line, EL_PROMPT, prompt_text);
    el_set(self->line, EL_GETCFN, read_key);
    el_set(self->line, EL_HIST, history, self->history);
    const char *terminal = getenv("TERM");
    self->marks_pastes = terminal && terminal[0] && strcmp(terminal, "dumb") != 0;
    load_history(self);
    bind_keys(self->line);
    struct sigaction action = {.sa_handler = on_redraw, .sa_flags = SA_RESTART};
    sigaction(SIGWINCH, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
}

/* Runs effv2.repl's loop; returns its exit code. */
static int run_loop(lua_State *L)
{
    push_editor(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "effv2.repl");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "completer");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "effv2.complete");
    lua_getfield(L, -1, "run");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

int prompt_run(lua_State *L)
{
    int code = EXIT_ERROR;
    lua_pushcfunction(L, run_loop);
    if (lua_pcall(L, 0, 1, 0) == 0) {
        code = (int)lua_tointeger(L, -1);
    } else {
        const char *message = lua_tostring(L, -1);
        script_complain(message ? message : "the prompt does not start");
    }
    lua_pop(L, 1);
    return code;
}
