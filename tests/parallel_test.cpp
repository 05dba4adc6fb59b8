#include "gemma/parallel.hpp"

#include "tests/support/threads.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using gemma::parallel_for;

namespace {

using Pieces = std::vector<std::pair<std::size_t, std::size_t>>;

// The pieces that parallel_for makes, in order.
Pieces pieces(std::size_t count, std::size_t piece) {
    std::mutex mutex;
    Pieces found;
    parallel_for(count, piece, [&](std::size_t first, std::size_t last) {
        const std::lock_guard lock(mutex);
        found.emplace_back(first, last);
    });
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

TEST_CASE("parallel_for makes the same pieces on any number of threads") {
    for (const std::size_t threads : {1, 2, 5}) {
        const gemma::Threads use(threads);
        CHECK(gemma::threads() == threads);
        CHECK(pieces(0, 4).empty());
        CHECK(pieces(3, 4) == Pieces{{0, 3}});
        CHECK(pieces(4, 4) == Pieces{{0, 4}});
        CHECK(pieces(10, 4) == Pieces{{0, 4}, {4, 8}, {8, 10}});
        CHECK(pieces(3, 0) == Pieces{{0, 1}, {1, 2}, {2, 3}});  // a piece has at least one
        CHECK(pieces(1000, 1).size() == 1000);
    }
}

TEST_CASE("there is at least one thread") {
    const gemma::Threads use(0);
    CHECK(gemma::threads() == 1);
    CHECK(pieces(10, 4).size() == 3);
}

TEST_CASE("pieces run on several threads at once") {
    const gemma::Threads use(2);
    // Each of two pieces waits for the other: one thread alone would wait for ever.
    std::atomic<int> here{0};
    parallel_for(2, 1, [&](std::size_t, std::size_t) {
        ++here;
        while (here < 2) std::this_thread::yield();
    });
    CHECK(here == 2);
}

TEST_CASE("many jobs in a row, with threads awake and asleep") {
    const gemma::Threads use(3);
    std::vector<std::size_t> sums(64);
    for (std::size_t job = 0; job < 5000; ++job) {
        if (job % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        parallel_for(sums.size(), 3, [&](std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; ++i) sums[i] += job;
        });
    }
    CHECK(std::set<std::size_t>(sums.begin(), sums.end()) == std::set<std::size_t>{4999 * 5000 / 2});
}

TEST_CASE("inside a piece, another parallel_for runs on its thread") {
    const gemma::Threads use(3);
    std::atomic<int> elsewhere{0}, pieces_done{0};
    parallel_for(8, 1, [&](std::size_t, std::size_t) {
        const std::thread::id mine = std::this_thread::get_id();
        parallel_for(8, 1, [&](std::size_t, std::size_t) {
            if (std::this_thread::get_id() != mine) ++elsewhere;
            ++pieces_done;
        });
    });
    CHECK(elsewhere == 0);
    CHECK(pieces_done == 64);
}

TEST_CASE("the exception of a piece is thrown again, and the threads go on") {
    for (const std::size_t threads : {1, 3}) {
        const gemma::Threads use(threads);
        const auto fail_at = [](std::size_t bad) {
            parallel_for(100, 1, [&](std::size_t first, std::size_t) {
                if (first == bad) throw std::runtime_error("piece 41");
            });
        };
        CHECK_THROWS_WITH_AS(fail_at(41), "piece 41", std::runtime_error);
        CHECK_NOTHROW(fail_at(100));
        CHECK(pieces(10, 4).size() == 3);
    }
}

TEST_CASE("several threads may call at once") {
    const gemma::Threads use(2);
    std::vector<std::size_t> sums(4);
    std::vector<std::thread> callers;
    for (std::size_t& sum : sums) {
        callers.emplace_back([&sum] {
            for (int job = 0; job < 500; ++job) {
                std::atomic<std::size_t> part{0};
                parallel_for(10, 2, [&](std::size_t first, std::size_t last) { part += last - first; });
                sum += part;
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    for (const std::size_t sum : sums) CHECK(sum == 5000);
}

TEST_CASE("the child of a fork has threads of its own") {
    const gemma::Threads use(2);
    pieces(10, 1);  // the threads exist before the fork
    const pid_t child = fork();
    if (child == 0) {
        std::atomic<int> here{0};
        parallel_for(2, 1, [&](std::size_t, std::size_t) {
            ++here;
            while (here < 2) std::this_thread::yield();
        });
        _exit(here == 2 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
