// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/data_jobs.h"

#include <algorithm>

namespace luthier {

namespace {
constexpr int kTellMilliseconds = 100;
}  // namespace

Result<std::shared_ptr<const Dataset>> DataJobs::Rows::open() {
  const std::lock_guard lock(mutex_);
  if (!dataset_) {
    LUTHIER_TRY(dataset_, shared_rows(recipe_, files_));
  }
  return dataset_;
}

DataJobs::DataJobs(QObject* parent) : QObject(parent) {
  pool_.setMaxThreadCount(1);
  timer_.setInterval(kTellMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &DataJobs::tell);
}

DataJobs::~DataJobs() {
  cancel();
  pool_.waitForDone();
}

void DataJobs::set_recipe(const Recipe& recipe, const std::vector<std::string>& files) {
  cancel();
  rows_ = std::make_shared<Rows>(recipe, files);
}

void DataJobs::cancel() {
  for (const auto& job : jobs_) job->stop = true;
}

void DataJobs::cancel(const QString& what) {
  for (const auto& job : jobs_)
    if (job->what == what) job->stop = true;
}

std::shared_ptr<DataJobs::Job> DataJobs::begin(const QString& what) {
  auto job = std::make_shared<Job>();
  job->rows = rows_ ? rows_ : std::make_shared<Rows>(Recipe(), std::vector<std::string>());
  job->what = what;
  jobs_.push_back(job);
  ++running_;
  timer_.start();
  emit changed();
  return job;
}

bool DataJobs::end(const std::shared_ptr<Job>& job) {
  std::erase(jobs_, job);
  if (--running_ == 0) timer_.stop();
  emit changed();
  return job->rows == rows_;
}

void DataJobs::tell() {
  if (jobs_.empty()) return;
  const Job& job = *jobs_.front();
  const auto total = static_cast<double>(job.total.load());
  emit told(job.what,
            total > 0 ? static_cast<int>(1000 * static_cast<double>(job.done.load()) / total) : 0);
}

}  // namespace luthier
