// SPDX-License-Identifier: GPL-3.0-or-later
// Scaling laws: a sweep of small decoders trained by the command line beside the window, or points
// that are there already; its losses and the law fitted to them drawn, with how sure it is; the
// next size's forecast beside its run; and what published laws and this one say of a budget.
#pragma once

#include <QDialog>
#include <QProcess>
#include <filesystem>

#include "engine/lab/law_picture.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QTableWidget;
class QTimer;

namespace luthier {

class BudgetCard;
class Card;
class LawPlot;

class LawsWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window. `home`: where a first sweep is put.
  static LawsWindow* of(const std::filesystem::path& home, QWidget* owner);
  ~LawsWindow() override;  ///< a sweep stops, and the same folder goes on with it
  void open_here();
  /// Reads a sweep's folder or a file of points, and looks for what is new there from now on.
  void open_place(const QString& place);
  bool sweeps() const { return sweep_.state() != QProcess::NotRunning; }

 private:
  LawsWindow(const std::filesystem::path& home, QWidget* owner);
  QWidget* make_place();
  QWidget* make_order();
  QWidget* make_found();
  void choose_folder();
  void choose_points();
  void sweep();
  void stop();
  void ended();
  void look();
  void read();
  void show_picture(Result<LawPicture> picture);
  void show_runs();
  QString fit_words() const;
  void say(const QString& text, bool wrong = false);
  void refresh();
  void retranslate();

  QProcess sweep_;
  QTimer* clock_;
  bool reading_ = false, stopping_ = false;
  QString read_, stamp_;  ///< what stands, and how new it was
  LawPicture picture_;
  LawPlot* plot_;
  Card* found_;
  BudgetCard* plan_;
  QLabel *place_label_, *sizes_label_, *tokens_label_, *minutes_label_, *note_, *words_;
  QLineEdit *place_, *sizes_, *tokens_;
  QSpinBox* minutes_;
  QPushButton *choose_, *points_, *sweep_button_, *stop_;
  QTableWidget* runs_;
};

}  // namespace luthier
