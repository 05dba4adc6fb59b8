#include "gemma/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace gemma {

namespace {

thread_local bool inside_a_piece = false;

// What the threads work at: whoever is free takes the next piece.
struct Job {
    std::size_t count;
    std::size_t piece;
    const std::function<void(std::size_t, std::size_t)>& body;
    std::atomic<std::size_t> next{0};
    std::mutex mutex{};
    std::exception_ptr error{};

    void work() {
        inside_a_piece = true;
        for (std::size_t first = next.fetch_add(piece); first < count; first = next.fetch_add(piece)) {
            try {
                body(first, std::min(first + piece, count));
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!error) error = std::current_exception();
                next = count;
            }
        }
        inside_a_piece = false;
    }
};

class Pool {
public:
    explicit Pool(std::size_t helpers) {
        for (std::size_t i = 0; i < helpers; ++i) workers_.emplace_back([this] { wait_for_jobs(); });
    }

    ~Pool() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }

    std::size_t threads() const { return workers_.size() + 1; }

    void run(Job& job) {
        const std::lock_guard one_at_a_time(callers_);
        {
            const std::lock_guard lock(mutex_);
            job_ = &job;
            ++number_;
            busy_ = workers_.size();
        }
        wake_.notify_all();
        job.work();
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
    }

private:
    void wait_for_jobs() {
        std::size_t seen = 0;
        for (;;) {
            Job* job = nullptr;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stop_ || number_ != seen; });
                if (stop_) return;
                seen = number_;
                job = job_;
            }
            job->work();
            const std::lock_guard lock(mutex_);
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::vector<std::thread> workers_{};
    std::mutex callers_{}, mutex_{};
    std::condition_variable wake_{}, done_{};
    Job* job_ = nullptr;
    std::size_t number_ = 0, busy_ = 0;
    bool stop_ = false;
};

std::unique_ptr<Pool>& pool() {
    static auto instance = std::make_unique<Pool>(std::max(1u, std::thread::hardware_concurrency()) - 1);
    return instance;
}

}  // namespace

std::size_t threads() { return pool()->threads(); }

void set_threads(std::size_t count) {
    if (count != threads()) pool() = std::make_unique<Pool>(std::max<std::size_t>(count, 1) - 1);
}

void parallel_for(std::size_t count, std::size_t piece,
                  const std::function<void(std::size_t first, std::size_t last)>& body) {
    piece = std::max<std::size_t>(piece, 1);
    Job job{count, piece, body};
    if (inside_a_piece || count <= piece || threads() == 1) {
        for (std::size_t first = 0; first < count; first += piece) body(first, std::min(first + piece, count));
        return;
    }
    pool()->run(job);
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace gemma
