// SPDX-License-Identifier: GPL-3.0-or-later
// The desk as it was left: model, recipe (also what was typed and never saved), page and layout are
// written down as they change, and are there again at the next start, after a crash too. What a
// crash left is told, with where its report lies. Each window that is open at once has a place of
// its own, so that none writes over what another one keeps. Queued runs come back too, and wait
// until a person says go on.
#pragma once

#include <QLockFile>
#include <QObject>
#include <QThreadPool>
#include <QTimer>
#include <memory>

class QJsonObject;

namespace luthier {

class MainWindow;

class KeptDesk : public QObject {
  Q_OBJECT

 public:
  /// `folder`: of the desk's files; empty: where programs keep their data. `crashes`: where reports
  /// of crashes lie.
  explicit KeptDesk(MainWindow& window, const QString& folder = {}, const QString& crashes = {});
  /// The end was in order.
  ~KeptDesk() override;

  /// Everything as it was left; the Start page where nothing was left. After a crash the model
  /// waits to be asked for: it may be what the program died of.
  void come_back();
  /// For a start with something to open: the layout alone. Settings that a crash left are put into
  /// a file, which is offered.
  void open_other();
  /// Where programs keep their data, and the reports of crashes in it.
  static QString usual_folder();
  static QString crash_folder();

 private:
  bool take_place(const QString& folder);
  QString file(const QString& kind) const;
  QJsonObject state(bool in_order) const;
  void keep_soon();
  void write(bool in_order);
  void show_recipe(const QJsonObject& left);
  void show_layout(const QJsonObject& layout);
  void tell_crash(const QString& model, const QString& report);
  void put_aside(const QJsonObject& left);
  void show_queue(const QJsonObject& left);
  QString report_of(const QJsonObject& left) const;

  MainWindow& window_;
  QString folder_, crashes_;
  int place_ = 0;  ///< 0: there is none, and nothing is kept
  std::unique_ptr<QLockFile> lock_;
  QTimer timer_;
  QThreadPool writer_;  ///< one thread: what was written last stands
};

}  // namespace luthier
