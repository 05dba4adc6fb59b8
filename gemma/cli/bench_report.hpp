// What `gemma bench` measured, as tables for people and as JSON for programs.
#pragma once

#include "gemma/bench/bench.hpp"
#include "gemma/model/model.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace gemma {

/// The model that was measured, and what it is called.
struct BenchSubject {
    std::string name;
    bool random_weights;
    Model model;
};

/// One result at length: the machine's limits, the speed, the components, the memory.
void print_bench(const BenchSubject& subject, const bench::BenchResult& result);

/// Several results, one line for each: how the cost grows with the prompt and falls with the threads.
void print_bench_growth(const BenchSubject& subject, const std::vector<bench::BenchResult>& results);

/// All results as one JSON object.
void print_bench_json(const BenchSubject& subject, const std::vector<bench::BenchResult>& results);

/// Three digits and the prefix that fits: "34.1 GB/s", "5.01 GB", "12.3 ms".
std::string with_prefix(double value, const char* unit);

/// "1 token", "512 tokens".
std::string counted(std::size_t count, const char* what);

}  // namespace gemma
