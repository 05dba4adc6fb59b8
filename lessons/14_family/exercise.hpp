// The last exercise: Gemma's forward pass, assembled from what you wrote in the lessons before.
//
//   exercise::rms_norm        lesson 07
//   exercise::rope_rotation   lesson 05
//   exercise::rope            lesson 05
//   exercise::attention       lesson 06
//   exercise::feed_forward    lesson 03
//   exercise::logits          lesson 10
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <vector>

namespace exercise {

/// The logits [T, V] that follow each of T tokens, at positions 0 … T - 1. Shows every tensor of
/// gemma/trace/names.hpp, under its name there.
gemma::Matrix forward(const std::vector<int>& tokens, const gemma::Config& config, const gemma::Weights& weights,
                      gemma::Trace trace);

}  // namespace exercise
