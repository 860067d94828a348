/* The insides of a pipeline, for the two files that build it (pipeline.c) and run it (augment.c). */
#ifndef EFF_DATA_PIPELINE_H
#define EFF_DATA_PIPELINE_H

#include "data/augment.h"

typedef struct eff_policy_group {
    int first, count; /* operations */
} eff_policy_group;

struct eff_pipeline {
    int references;
    bool finished;
    bool of_bytes; /* see eff_pipeline_of_bytes */
    eff_normalization normalization;
    int height, width; /* of a sample */
    eff_step *steps;
    eff_policy_op *ops;
    eff_policy_group *groups;
    int step_count, op_count, group_count;
};

#endif
