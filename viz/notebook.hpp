// Tensors, traces, attention and charts in a notebook: text/html for the page, text/plain for what has none.
//
//   viz::tensor(y, "y")                                  a heat map of a Vector, Matrix or Tensor3
//   viz::tensor(recorder, "model.norm", tokens)          of one that was traced, with the tokens beside its rows
//   viz::attention(recorder, 0, tokens)                  the heads of a layer, tokens on both axes
//   recorder, trace_file                                 the list of their tensors
//   viz::Chart, viz::BarChart, viz::HeatMap              the picture
//
// The kernels xeus-cling and xeus-cpp show a value as mime_bundle_repr(value) says, found by argument-dependent lookup.
// gemma's tensors are xtensor's types, for which xtensor has a mime_bundle_repr of its own (a table of numbers) in the
// namespace in which it is looked for: so a picture of a tensor is a type of its own, viz::Tensor.
//
// The fragments stand alone: no script, no identifier, no style but their own; any number of them fit on a page.
// Whoever calls mime_bundle_repr includes <nlohmann/json.hpp>, as the kernels do.
#pragma once

#include "gemma/tensor.hpp"
#include "viz/chart.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace gemma {
class Record;
class Recorder;
class Tokenizer;
class TraceFile;
}  // namespace gemma

namespace viz {

/// A tensor of one to three axes and what to call it.
struct Tensor {
    std::string name;
    gemma::Shape shape;
    std::vector<float> numbers;
    std::vector<std::string> labels;  // of the first or the second axis, as many as there are; or none
};

/// Copies the numbers.
Tensor tensor(const gemma::Vector& tensor, std::string name = "", std::vector<std::string> labels = {});
Tensor tensor(const gemma::Matrix& tensor, std::string name = "", std::vector<std::string> labels = {});
Tensor tensor(const gemma::Tensor3& tensor, std::string name = "", std::vector<std::string> labels = {});
Tensor tensor(const gemma::Record& record, const std::string& name, std::vector<std::string> labels = {});

/// What the heads of a layer look at: probs [H, T, S].
struct Attention {
    Tensor probs;
    std::vector<std::string> tokens;  // S of them, or none; the last T are those that look
};

/// Throws an Error when the tokens are not as many as the last axis.
Attention attention(const gemma::Tensor3& probs, std::vector<std::string> tokens = {});
Attention attention(const gemma::Record& record, std::size_t layer, std::vector<std::string> tokens = {});

/// How tokens look, as labels.
std::vector<std::string> token_texts(const gemma::Tokenizer& tokenizer, const std::vector<int>& tokens);

// --- The two forms ---------------------------------------------------------------------------------------------------

std::string html(const Tensor& tensor);
std::string html(const Attention& attention);
std::string html(const gemma::Record& record);
std::string html(const Chart& chart);
std::string html(const BarChart& chart);
std::string html(const HeatMap& map);

std::string plain_text(const Tensor& tensor);
std::string plain_text(const Attention& attention);
std::string plain_text(const gemma::Record& record);
std::string plain_text(const Chart& chart);
std::string plain_text(const BarChart& chart);
std::string plain_text(const HeatMap& map);

/// {"text/html": …, "text/plain": …}
nlohmann::json mime_bundle_repr(const Tensor& tensor);
nlohmann::json mime_bundle_repr(const Attention& attention);
nlohmann::json mime_bundle_repr(const Chart& chart);
nlohmann::json mime_bundle_repr(const BarChart& chart);
nlohmann::json mime_bundle_repr(const HeatMap& map);

}  // namespace viz

namespace gemma {

// One for each kind of Record: the kernels' own template for any type fits better than one for their base.
nlohmann::json mime_bundle_repr(const Recorder& recorder);
nlohmann::json mime_bundle_repr(const TraceFile& trace);

}  // namespace gemma
