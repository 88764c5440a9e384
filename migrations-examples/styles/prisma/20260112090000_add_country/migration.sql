-- AlterTable
ALTER TABLE "Customer" ADD COLUMN "country" TEXT;
