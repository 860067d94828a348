/* Parameter updates over flat arrays, in one pass with their moving average.
 *
 * A model's parameters lie in one flat array, those with weight decay first; so the arrays here are long and
 * dense. `decay` is the L2 coefficient of the first `decayed` elements. Work is cut into fixed chunks.
 */
#ifndef EFF_OPTIM_UPDATE_H
#define EFF_OPTIM_UPDATE_H

#include "base/real.h"

#include <stdbool.h>

typedef struct eff_update {
    int64_t n, decayed;
    double lr, decay;
    double gradient_scale; /* of clipping and accumulation: g is multiplied by it first */
    real *average;         /* of w after the update, as eff_update_average has it; or NULL */
    double average_decay;
} eff_update;

/* RMSProp in TensorFlow's form: g includes decay * w; ms = ms + (1 - rho)(g^2 - ms);
 * mom = momentum * mom + lr * g / sqrt(ms + eps); w = w - mom. Start ms at 1. */
void eff_update_rmsprop(real *w, real *ms, real *mom, const real *g, const eff_update *u, double rho, double momentum,
                        double eps);

/* SGD: g includes decay * w; v = momentum * v + g; w = w - lr * v, or with Nesterov lr * (g + momentum * v). */
void eff_update_sgd(real *w, real *v, const real *g, const eff_update *u, double momentum, bool nesterov);

/* AdamW (decoupled decay): w = w - lr * decay * w - lr * m_hat / (sqrt(v_hat) + eps); step counts from 1. */
void eff_update_adamw(real *w, real *m, real *v, const real *g, const eff_update *u, double beta1, double beta2,
                      double eps, int64_t step);

/* average = decay * average + (1 - decay) * w */
void eff_update_average(real *average, real *w, int64_t n, double decay);

/* The Euclidean norm, summed in fixed chunks; NaN or infinity when an element is. */
double eff_norm_of(const real *g, int64_t n);

#endif
