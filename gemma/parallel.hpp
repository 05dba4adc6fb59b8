// One pool of threads for everything: the products of weights, attention, and the steps number by number.
#pragma once

#include <cstddef>

namespace gemma {

/// How many threads compute, this one included; by default one for each core that the process may use.
std::size_t threads();

/// Sets how many threads compute, at least one. Not to be called while something computes.
void set_threads(std::size_t count);

/// Work on a piece, first … last - 1: a reference to what was handed to parallel_for.
struct PieceWork {
    const void* body;
    void (*call)(const void* body, std::size_t first, std::size_t last);

    void operator()(std::size_t first, std::size_t last) const { call(body, first, last); }
};

void parallel_for(std::size_t count, std::size_t piece, PieceWork work);

/// Calls body(first, last) for pieces of 0 … count - 1 of at most `piece` each, on all threads, and returns when all
/// are done. The pieces do not depend on the number of threads, so neither does what is computed. Inside a piece
/// another parallel_for runs on its thread alone. The first exception of a piece is thrown again here.
template <typename Body>
void parallel_for(std::size_t count, std::size_t piece, const Body& body) {
    parallel_for(count, piece, PieceWork{&body, [](const void* work, std::size_t first, std::size_t last) {
                                             (*static_cast<const Body*>(work))(first, last);
                                         }});
}

}  // namespace gemma
