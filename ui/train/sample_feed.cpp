// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/sample_feed.h"

#include <utility>

#include "ui/background.h"

namespace luthier {

namespace {
constexpr int kLookMilliseconds = 1000;
}

SampleFeed::SampleFeed(QObject* parent) : QObject(parent) {
  timer_.setInterval(kLookMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &SampleFeed::look);
}

void SampleFeed::set_run(const std::filesystem::path& folder) {
  ++run_;
  folder_ = folder;
  log_ = {};
  reading_ = again_ = false;
  emit began();
  look();
}

void SampleFeed::follow(bool on) {
  if (on) {
    timer_.start();
    return;
  }
  timer_.stop();
  look();  // what came last
}

void SampleFeed::look() {
  if (folder_.empty()) return;
  if (reading_) {
    again_ = true;
    return;
  }
  reading_ = true;
  again_ = false;
  in_background_of(
      this,
      [file = folder_ / kSamplesFile, from = log_.read_to] { return read_sample_log(file, from); },
      [this, run = run_](Result<SampleLog> piece) {
        if (run != run_) return;
        reading_ = false;
        if (!piece) {
          emit failed(piece.error());
          return;
        }
        const bool news = piece->anew || !piece->frames.empty();
        const bool more = piece->more;
        join_samples(log_, piece.take());
        if (news) emit grew();
        if (more || again_) look();
      });
}

}  // namespace luthier
