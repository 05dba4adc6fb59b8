// A Gemma from the parts of the other lessons' solutions, with Llama's RMSNorm.
#include "tests/lessons/mistaken/07_rms_norm.norm-weight-plain.cpp"
