// SPDX-License-Identifier: GPL-3.0-or-later
// The answers to a run's samples as its folder has them, read on as the file grows, off the
// window's thread.
#pragma once

#include <QObject>
#include <QTimer>
#include <filesystem>

#include "engine/data/sample_log.h"

namespace luthier {

class SampleFeed : public QObject {
  Q_OBJECT

 public:
  explicit SampleFeed(QObject* parent = nullptr);

  /// The run's folder; empty: none. The same folder again is read from its beginning.
  void set_run(const std::filesystem::path& folder);
  void look();
  /// Looks by itself.
  void follow(bool on);
  const SampleLog& log() const { return log_; }

 signals:
  void began();  ///< of another run: nothing is known of it yet
  void grew();
  void failed(const luthier::Error& error);

 private:
  std::filesystem::path folder_;
  SampleLog log_;
  bool reading_ = false, again_ = false;
  int run_ = 0;  ///< of which run an answer is
  QTimer timer_;
};

}  // namespace luthier
