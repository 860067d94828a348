/* Making the inputs of a sample; see sample.h. */
#include "ops/sample.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 128 };

static int word_index(const char *const *words, const char *text)
{
    for (int i = 0; words && words[i]; i++)
        if (strcmp(words[i], text) == 0) return i;
    return -1;
}

static int parse_ints(int64_t *list, const char *text)
{
    int n = 0;
    for (const char *at = text; *at && n < EFF_MAX_DIMS;) {
        char *end;
        list[n++] = strtoll(at, &end, 10);
        at = *end == ',' ? end + 1 : end;
        if (end == at && *at) return -1;
    }
    return n;
}

eff_status eff_arg_parse(eff_call *c, int index, const char *text)
{
    const eff_arg *a = &c->op->args[index];
    eff_value *v = &c->arg[index];
    int word = word_index(a->choices, text);
    switch (a->kind) {
    case EFF_ARG_INT: v->i = strtoll(text, NULL, 10); return EFF_OK;
    case EFF_ARG_REAL: v->f = strtod(text, NULL); return EFF_OK;
    case EFF_ARG_BOOL: v->i = strcmp(text, "true") == 0; return EFF_OK;
    case EFF_ARG_INTS:
        v->i = word >= 0 ? 1 : parse_ints(v->list, text);
        if (word >= 0) v->list[0] = EFF_WORD(word);
        return EFF_OK;
    case EFF_ARG_CHOICE:
        if (word < 0) return eff_fail(EFF_E_ARGUMENT, "%s: %s cannot be '%s'", c->op->name, a->name, text);
        v->i = word;
        return EFF_OK;
    default: return eff_fail(EFF_E_ARGUMENT, "%s: %s is a tensor", c->op->name, a->name);
    }
}

static void fill(eff_tensor *t, eff_rng *rng, bool positive, int64_t labels)
{
    for (int64_t i = 0, n = eff_tensor_numel(t); i < n; i++) {
        if (labels) ((int64_t *)eff_tensor_data(t))[i] = eff_rng_below(rng, labels);
        else eff_tensor_reals(t)[i] = (real)(positive ? eff_rng_range(rng, 0.5, 1.5) : eff_rng_normal(rng));
    }
}

static eff_status make_tensor(eff_tensor **out, const char *text, eff_rng *rng)
{
    int64_t shape[EFF_MAX_DIMS], labels = 0;
    bool positive = *text == '+';
    if (*text == '<') {
        labels = strtoll(text + 1, NULL, 10);
        text = strchr(text, '>');
    }
    int ndim = parse_ints(shape, positive || labels ? text + 1 : text);
    if (ndim < 0) return eff_fail(EFF_E_ARGUMENT, "a sample's shape '%s'", text);
    EFF_TRY(eff_tensor_new(out, labels ? EFF_I64 : EFF_REAL, ndim, shape));
    fill(*out, rng, positive, labels);
    return EFF_OK;
}

static eff_status make_list(eff_call *c, char *text, eff_rng *rng)
{
    char *rest = NULL;
    for (char *one = strtok_r(text, "|", &rest); one; one = strtok_r(NULL, "|", &rest)) {
        EFF_TRY(make_tensor(&c->in[c->n_in], one, rng));
        c->n_in++;
    }
    return EFF_OK;
}

static int tensor_place(const eff_op *op, int index)
{
    int place = 0;
    for (int i = 0; i < index; i++)
        if (op->args[i].kind == EFF_ARG_TENSOR || op->args[i].kind == EFF_ARG_OPTIONAL_TENSOR) place++;
    return place;
}

static eff_status take_word(eff_call *c, char *word, eff_rng *rng)
{
    char *value = strchr(word, '=');
    if (!value) return eff_fail(EFF_E_ARGUMENT, "%s: sample word '%s' has no '='", c->op->name, word);
    *value++ = 0;
    int index = eff_arg_index(c->op, word);
    if (index < 0) return eff_fail(EFF_E_ARGUMENT, "%s has no argument '%s'", c->op->name, word);
    eff_arg_kind kind = c->op->args[index].kind;
    if (kind == EFF_ARG_TENSOR_LIST) return make_list(c, value, rng);
    if (kind != EFF_ARG_TENSOR && kind != EFF_ARG_OPTIONAL_TENSOR) return eff_arg_parse(c, index, value);
    return make_tensor(&c->in[tensor_place(c->op, index)], value, rng);
}

eff_status eff_sample_make(eff_call *c, const eff_op *op, const char *text, uint64_t seed)
{
    char copy[4 * WORD], *rest = NULL;
    eff_rng rng;
    eff_call_start(c, op);
    for (int i = 0; op->args[i].name; i++)
        if (op->args[i].kind == EFF_ARG_TENSOR || op->args[i].kind == EFF_ARG_OPTIONAL_TENSOR) c->n_in++;
    if (strlen(text) >= sizeof copy) return eff_fail(EFF_E_ARGUMENT, "%s: a sample is too long", op->name);
    strcpy(copy, text);
    eff_rng_start(&rng, seed, EFF_RNG_USER, 0, 0);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        eff_status status = take_word(c, word, &rng);
        if (status == EFF_OK) continue;
        eff_sample_release(c);
        return status;
    }
    return EFF_OK;
}

void eff_sample_release(eff_call *c)
{
    for (int i = 0; i < c->n_in; i++) {
        eff_tensor_release(c->in[i]);
        c->in[i] = NULL;
    }
}
