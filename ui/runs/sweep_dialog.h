// SPDX-License-Identifier: GPL-3.0-or-later
// A few values of a few settings, from which the queue is filled with a run for each combination.
#pragma once

#include <QDialog>

#include "engine/config/sweep.h"
#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QPushButton;

namespace luthier {

class Banner;
class SettingRows;

class SweepDialog : public QDialog {
  Q_OBJECT

 public:
  /// `recipe`: what all of them have.
  SweepDialog(Workspace& workspace, const Recipe& recipe, QWidget* parent = nullptr);
  /// What the runs of a sweep are tagged with, and their group in the queue begins with.
  static QString tag_of(const QString& name) { return QStringLiteral("sweep ") + name; }

 signals:
  /// So many runs were queued under this tag.
  void queued(const QString& tag, int runs);

 private:
  Result<std::vector<SweptRecipe>> runs() const;
  void refresh();
  void queue();

  Workspace& workspace_;
  const Recipe recipe_;
  QLabel *title_, *name_label_, *settings_label_, *note_;
  QLineEdit* name_;
  SettingRows* settings_;
  Banner* banner_;
  QPushButton *cancel_, *queue_;
};

}  // namespace luthier
