// SPDX-License-Identifier: GPL-3.0-or-later
// Work over all rows of the Data page's dataset: searching, counting, comparing, copying. One at a
// time on a thread of its own, with how far it is, until it is cancelled; the dataset stays open
// between them.
#pragma once

#include <QObject>
#include <QThreadPool>
#include <QTimer>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/data/columns.h"
#include "engine/data/dataset.h"
#include "engine/data/tools/row_workers.h"
#include "ui/background.h"

namespace luthier {

class DataJobs : public QObject {
  Q_OBJECT

 public:
  explicit DataJobs(QObject* parent = nullptr);
  ~DataJobs() override;

  /// Whose rows are worked over from now on; what runs is cancelled.
  void set_recipe(const Recipe& recipe, const std::vector<std::string>& files);
  bool busy() const { return running_ > 0; }
  void cancel();
  /// What is called so, and nothing else.
  void cancel(const QString& what);

  /// `work(dataset, progress)` gives a Result; `done` gets it, unless other rows are looked at by
  /// then. `what` is said while it goes on.
  template <class Value, class Work, class Done>
  void run(const QString& what, Work work, Done done) {
    const auto job = begin(what);
    in_background_of(
        this,
        [job, work = std::move(work)]() -> Result<Value> {
          if (job->stop) return interrupted_error();
          LUTHIER_TRY(const auto dataset, job->rows->open());
          return work(*dataset, [job](std::size_t at, std::size_t of) {
            job->done = at;
            job->total = of;
            return !job->stop;
          });
        },
        [this, job, done = std::move(done)](Result<Value> result) {
          if (end(job)) done(std::move(result));
        },
        pool_);
  }

 signals:
  void changed();  ///< busy, or how far it is
  void told(const QString& what, int permille);

 private:
  /// Rows that are opened when they are first asked for.
  class Rows {
   public:
    Rows(Recipe recipe, std::vector<std::string> files)
        : recipe_(std::move(recipe)), files_(std::move(files)) {}
    Result<std::shared_ptr<const Dataset>> open();

   private:
    std::mutex mutex_;
    Recipe recipe_;
    std::vector<std::string> files_;
    std::shared_ptr<const Dataset> dataset_;
  };
  struct Job {
    std::shared_ptr<Rows> rows;
    QString what;
    std::atomic<bool> stop = false;
    std::atomic<std::size_t> done = 0, total = 0;
  };

  std::shared_ptr<Job> begin(const QString& what);
  /// Whether its answer is still wanted.
  bool end(const std::shared_ptr<Job>& job);
  void tell();

  QThreadPool pool_;
  QTimer timer_;
  std::shared_ptr<Rows> rows_;
  std::vector<std::shared_ptr<Job>> jobs_;
  int running_ = 0;
};

}  // namespace luthier
