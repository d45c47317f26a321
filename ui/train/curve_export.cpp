// SPDX-License-Identifier: GPL-3.0-or-later
// Writing the curves.
#include "ui/train/curve_export.h"

#include <QCoreApplication>
#include <QFileDialog>
#include <QPainter>
#include <QSaveFile>
#include <QTextStream>
#include <set>
#include <string>

#include "ui/theme.h"
#include "ui/train/curve_plot.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {

QString ask_file(QWidget* parent, const QString& suggestion, const QString& filter) {
  return QFileDialog::getSaveFileName(
      parent, QCoreApplication::translate("CurveExport", "Export the curves"), suggestion, filter);
}

void say_failure(QWidget* parent, const QString& file, const QString& why) {
  // The nearest banner of the page says it; an export is always started from a page.
  for (QWidget* widget = parent; widget; widget = widget->parentWidget()) {
    if (auto* banner =
            widget->findChild<Banner*>(QStringLiteral("banner"), Qt::FindDirectChildrenOnly)) {
      banner->show_text(Banner::Kind::Error,
                        QCoreApplication::translate(
                            "CurveExport", "%1 could not be written: %2. Choose another folder.")
                            .arg(file, why));
      return;
    }
  }
}

}  // namespace

void export_curves_png(QWidget* parent, QWidget* area) {
  const QString file =
      ask_file(parent, QStringLiteral("curves.png"), QStringLiteral("PNG (*.png)"));
  if (file.isEmpty()) return;
  constexpr double kScale = 2;
  QPixmap pixmap(area->size() * kScale);
  pixmap.setDevicePixelRatio(kScale);
  pixmap.fill(colours().window);
  area->render(&pixmap);
  if (!pixmap.save(file, "PNG"))
    say_failure(
        parent, file,
        QCoreApplication::translate("CurveExport", "the file cannot be opened for writing"));
}

QString curves_csv(const std::vector<RunSeries>& series) {
  QString text;
  QTextStream out(&text);
  out.setRealNumberPrecision(10);
  out << "run,step,epoch,loss,eval_loss,grad_norm,learning_rate,tokens,tokens_per_second,weights,"
         "adapter,gradients,optimizer,activations,allocated,peak";
  std::set<std::string> figures;  // of every run, by the names that its objective gave
  for (const RunSeries& run : series)
    for (const MetricsLine& line : run.lines)
      for (const auto& [name, value] : line.figures) figures.insert(name);
  for (const std::string& name : figures) out << ',' << QString::fromStdString(name);
  out << '\n';
  for (const RunSeries& run : series) {
    QString name = run.name;
    name.replace(QLatin1Char('"'), QStringLiteral("\"\""));
    for (const MetricsLine& l : run.lines) {
      const auto evaluation = run.evaluations.find(l.step);
      out << '"' << name << "\"," << l.step << ',' << l.epoch << ',' << l.loss << ',';
      if (evaluation != run.evaluations.end()) out << evaluation->second;
      out << ',' << l.grad_norm << ',' << l.learning_rate << ',' << l.tokens << ','
          << l.tokens_per_second << ',' << l.memory.weights << ',' << l.memory.adapter << ','
          << l.memory.gradients << ',' << l.memory.optimizer << ',' << l.memory.activations << ','
          << l.memory.allocated << ',' << l.memory.peak;
      for (const std::string& figure : figures) {
        out << ',';
        if (const auto found = l.figures.find(figure); found != l.figures.end())
          out << found->second;
      }
      out << '\n';
    }
  }
  return text;
}

void export_curves_csv(QWidget* parent, const std::vector<RunSeries>& series) {
  const QString file =
      ask_file(parent, QStringLiteral("curves.csv"), QStringLiteral("CSV (*.csv)"));
  if (file.isEmpty()) return;
  QSaveFile out(file);
  const QByteArray bytes = curves_csv(series).toUtf8();
  if (!out.open(QIODevice::WriteOnly) || out.write(bytes) != bytes.size() || !out.commit())
    say_failure(parent, file, out.errorString());
}

}  // namespace luthier
