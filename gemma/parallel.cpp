// How a job is handed out.
//
// A token of a 2B model is some 300 jobs of half a millisecond each, so a job must cost microseconds: nothing is
// allocated, and a thread that has nothing to do looks for the next job for a short while before it sleeps.
//
// Whoever is free takes the next piece. The pieces left and the job's number share one atomic word, so that a piece is
// taken in one step and only while its job runs; the caller waits for the pieces that others took, not for threads that
// are still asleep. Where other programs hold the cores, a job is never later than the caller alone would be, except by
// the piece that a helper works at.
#include "gemma/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif

namespace gemma {

namespace {

// How long a thread looks for work before it sleeps: longer than the steps between two jobs that one thread does.
constexpr std::chrono::microseconds patience{100};

thread_local bool inside_a_piece = false;

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Looks whether `condition` holds, for a short while; the clock is read seldom.
template <typename Condition>
bool spin_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    do {
        for (int i = 0; i < 32; ++i) {
            if (condition()) return true;
            pause();
        }
    } while (std::chrono::steady_clock::now() < end);
    return condition();
}

void run_alone(std::size_t count, std::size_t piece, const PieceWork& work) {
    for (std::size_t first = 0; first < count; first += piece) work(first, std::min(first + piece, count));
}

class Pool {
public:
    explicit Pool(std::size_t helpers) {
        for (std::size_t i = 0; i < helpers; ++i) helpers_.emplace_back([this] { help(); });
    }

    ~Pool() {
        stop_ = true;
        wake_sleepers();
        for (std::thread& helper : helpers_) helper.join();
    }

    void run(std::size_t count, std::size_t piece, const PieceWork& work) {
        const std::lock_guard one_at_a_time(callers_);
        count_ = count;
        piece_ = piece;
        work_ = work;
        pieces_ = (count + piece - 1) / piece;
        done_ = 0;
        failed_ = false;
        left_ = ((left_ >> 32) + 1) << 32 | pieces_;
        if (sleepers_ > 0) wake_sleepers();
        take_pieces();
        wait_for_the_others();
        if (failed_) std::rethrow_exception(std::exchange(error_, nullptr));
    }

private:
    bool work_left() const { return static_cast<std::uint32_t>(left_) > 0; }

    void take_pieces() {
        inside_a_piece = true;
        std::uint64_t left = left_;
        while (static_cast<std::uint32_t>(left) > 0) {
            // On success the job cannot end before this piece is done: what describes it may be read.
            if (left_.compare_exchange_weak(left, left - 1)) {
                do_piece(pieces_ - static_cast<std::uint32_t>(left));
                left = left_;
            }
        }
        inside_a_piece = false;
    }

    void do_piece(std::size_t index) {
        const std::size_t pieces = pieces_, first = index * piece_;
        try {
            if (!failed_) work_(first, std::min(first + piece_, count_));
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!failed_.exchange(true)) error_ = std::current_exception();
        }
        if (done_.fetch_add(1) + 1 == pieces && caller_sleeps_) {
            const std::lock_guard lock(mutex_);
            all_done_.notify_one();
        }
    }

    void wait_for_the_others() {
        const auto all_done = [this] { return done_ == pieces_; };
        if (spin_until(all_done)) return;
        std::unique_lock lock(mutex_);
        caller_sleeps_ = true;
        all_done_.wait(lock, all_done);
        caller_sleeps_ = false;
    }

    void help() {
        const auto wanted = [this] { return stop_ || work_left(); };
        while (!stop_) {
            if (!spin_until(wanted)) {
                std::unique_lock lock(mutex_);
                ++sleepers_;
                wake_.wait(lock, wanted);
                --sleepers_;
            }
            take_pieces();
        }
    }

    void wake_sleepers() {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
    }

    std::vector<std::thread> helpers_{};
    std::mutex callers_{}, mutex_{};
    std::condition_variable wake_{}, all_done_{};
    std::atomic<std::size_t> sleepers_{0};
    std::atomic<bool> stop_{false}, caller_sleeps_{false}, failed_{false};

    // The job.
    std::size_t count_ = 0, piece_ = 0, pieces_ = 0;
    PieceWork work_{};
    std::exception_ptr error_{};
    std::atomic<std::uint64_t> left_{0};  // the job's number in the upper half, the pieces not yet taken in the lower
    std::atomic<std::size_t> done_{0};
};

std::size_t usable_cores() {
#ifdef __linux__
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0) return static_cast<std::size_t>(CPU_COUNT(&cores));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

// The pool is made when it is first needed and never destroyed: at the end of the process its threads simply stop.
// A fork copies none of them, so a child makes its own.
struct Shared {
    Shared() {
        pthread_atfork([] { shared().mutex.lock(); }, [] { shared().mutex.unlock(); },
                       [] {
                           shared().pool = nullptr;
                           shared().mutex.unlock();
                       });
    }

    static Shared& shared() {
        static Shared& instance = *new Shared;
        return instance;
    }

    std::mutex mutex{};
    std::atomic<std::size_t> threads{usable_cores()};
    std::atomic<Pool*> pool{nullptr};
};

Pool& pool() {
    Shared& shared = Shared::shared();
    if (Pool* ready = shared.pool) return *ready;
    const std::lock_guard lock(shared.mutex);
    if (shared.pool == nullptr) shared.pool = new Pool(shared.threads - 1);
    return *shared.pool;
}

}  // namespace

std::size_t threads() { return Shared::shared().threads; }

void set_threads(std::size_t count) {
    Shared& shared = Shared::shared();
    const std::lock_guard lock(shared.mutex);
    shared.threads = std::max<std::size_t>(count, 1);
    delete shared.pool.exchange(nullptr);
}

void parallel_for(std::size_t count, std::size_t piece, PieceWork work) {
    piece = std::max<std::size_t>(piece, 1);
    if (inside_a_piece || count <= piece || threads() == 1) return run_alone(count, piece, work);
    pool().run(count, piece, work);
}

}  // namespace gemma
